/** The app of a fault campaign, as its caller and its workers make it. */
import { Celeriac, type CeleriacOptions } from 'celeriac';

/** Where the processes of a campaign meet. */
export interface CampaignPlace {
  readonly broker: string;
  readonly prefix: string;
  readonly lockMs: number;
}

export function campaignApp(
  name: string,
  { broker, prefix, lockMs }: CampaignPlace,
  options: CeleriacOptions = {},
): Celeriac {
  const logger = { debug() {}, info() {}, warn() {}, error() {} };
  return new Celeriac(name, {
    ...options,
    broker,
    prefix,
    lockDuration: lockMs,
    publishRetry: '60s',
    logger,
  });
}
