/** The command line of the two child processes: `<subject> <broker URL>`. */
import { type Driver } from '../subjects/driver.js';
import { loadDriver } from '../subjects/drivers.js';
import { addressOf, type BrokerAddress } from './broker.js';

export async function readRole(): Promise<{ driver: Driver; broker: BrokerAddress }> {
  const [subject = '', url = ''] = process.argv.slice(2);
  return { driver: await loadDriver(subject), broker: addressOf(url) };
}
