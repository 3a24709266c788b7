/** The command line of the two child processes: `<subject> <host> <port>`. */
import { type Driver } from '../subjects/driver.js';
import { loadDriver } from '../subjects/drivers.js';
import type { BrokerAddress } from './redis.js';

export async function readRole(): Promise<{ driver: Driver; broker: BrokerAddress }> {
  const [subject = '', host = '', port = ''] = process.argv.slice(2);
  return { driver: await loadDriver(subject), broker: { host, port: Number(port) } };
}
