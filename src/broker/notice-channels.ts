/**
 * Maps topics to pub/sub channels. The ids of one process share 64 channels. So that process can listen for all of them
 * before it sends anything, and another process that waits for one of them reads at most a 64th of their notices. Ids
 * made in a row share a channel, so that tasks which end together are published together. Pure.
 */

/** The channel of a topic's notices, and the mark that identifies the topic on it. */
export interface NoticeRoute {
  readonly channel: string;
  /** Identifies the topic on its channel. Contains no line break and no '='. */
  readonly mark: string;
}

// <stem>-<counter>… up to the queue; see `ids`.
const GENERATED = /^([0-9a-z]{12})-([0-9a-z]+)([^@=\n]*)@/;
const CHANNELS = 64;
/** How many ids in a row share a channel. */
const ROW = 64;

const PROGRESS = '~p:';
const CHUNKS = '~c:';

/** The topic of a task's progress. Separate from its id, so that progress does not wake up waiters for its end. */
export function progressTopic(id: string): string {
  return PROGRESS + id;
}

/** The topic of a task's chunks: see `streams`. */
export function chunkTopic(id: string): string {
  return CHUNKS + id;
}

let lastTopic = '';
let lastRoute: NoticeRoute = { channel: '', mark: '' };

/** The route of a topic. Topics of generated ids share channels; any other topic has its own. */
export function routeOf(topic: string): NoticeRoute {
  // Sending, awaiting and ending a task ask for the same topic several times in a row.
  if (topic === lastTopic) return lastRoute;
  lastRoute = newRouteOf(topic);
  lastTopic = topic;
  return lastRoute;
}

function newRouteOf(topic: string): NoticeRoute {
  if (topic.startsWith(PROGRESS)) return besideRouteOf(topic, PROGRESS);
  if (topic.startsWith(CHUNKS)) return besideRouteOf(topic, CHUNKS);
  const match = GENERATED.exec(topic);
  if (match === null) return { channel: topic, mark: '' };
  const [, stem = '', counter = '', part = ''] = match;
  const row = Math.floor(Number.parseInt(counter, 36) / ROW);
  return { channel: channelOf(stem, row % CHANNELS), mark: counter + part };
}

/** The route of a task's other topic: beside that of its id. */
function besideRouteOf(topic: string, kind: string): NoticeRoute {
  const { channel, mark } = newRouteOf(topic.slice(kind.length));
  return { channel: kind + channel, mark };
}

/** All channels that ids with this stem may use. */
export function channelsOf(stem: string): string[] {
  return Array.from({ length: CHANNELS }, (_, n) => channelOf(stem, n));
}

/** The stem of the ids that share this channel; for a channel of one topic, the channel itself. */
export function stemOf(channel: string): string {
  const end = channel.lastIndexOf('/');
  return end === -1 ? channel : channel.slice(0, end);
}

/** Whether a channel belongs to the ids with this stem. */
export function isOf(stem: string, channel: string): boolean {
  return channel.startsWith(`${stem}/`);
}

/** Separates a mark from the JSON value that follows it. */
export const TELLS = '=';

/** Calls `heard` with mark and value of each notice in a payload, in order. Each notice is a line. */
export function eachNotice(payload: string, heard: (mark: string, value: string | undefined) => void): void {
  for (const notice of payload.includes('\n') ? payload.split('\n') : [payload]) {
    const end = notice.indexOf(TELLS);
    if (end === -1) heard(notice, undefined);
    else heard(notice.slice(0, end), notice.slice(end + 1));
  }
}

function channelOf(stem: string, n: number): string {
  return `${stem}/${n}`;
}
