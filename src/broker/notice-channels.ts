/**
 * Which pub/sub channel a topic's notices go by. The ids one process makes share 64 channels, so that it can listen for
 * all of them before it sends anything, and a process that waits for one of them reads a 64th of their notices at most.
 * Ids made one after another share a channel: what ends together is told together. Pure.
 */

/** Where a topic's notices go, and what they say there. */
export interface NoticeRoute {
  readonly channel: string;
  /** Tells the topics of a channel apart; no line break and no '='. */
  readonly mark: string;
}

// <stem>-<counter>… up to the queue; see `ids`.
const GENERATED = /^([0-9a-z]{12})-([0-9a-z]+)([^@=\n]*)@/;
const CHANNELS = 64;
/** So many ids in a row share a channel. */
const ROW = 64;

const PROGRESS = '~p:';

/** The topic of what a task says while it runs: who waits for its end alone is not woken by it. */
export function progressTopic(id: string): string {
  return PROGRESS + id;
}

let lastTopic = '';
let lastRoute: NoticeRoute = { channel: '', mark: '' };

/** The route of a topic: a channel of its own, unless it is about an id that some process made. */
export function routeOf(topic: string): NoticeRoute {
  // A task that is sent, awaited and ended is asked for several times in a row.
  if (topic === lastTopic) return lastRoute;
  lastRoute = newRouteOf(topic);
  lastTopic = topic;
  return lastRoute;
}

function newRouteOf(topic: string): NoticeRoute {
  if (topic.startsWith(PROGRESS)) {
    const { channel, mark } = newRouteOf(topic.slice(PROGRESS.length));
    return { channel: PROGRESS + channel, mark };
  }
  const match = GENERATED.exec(topic);
  if (match === null) return { channel: topic, mark: '' };
  const [, stem = '', counter = '', part = ''] = match;
  const row = Math.floor(Number.parseInt(counter, 36) / ROW);
  return { channel: channelOf(stem, row % CHANNELS), mark: counter + part };
}

/** All channels that ids with this stem may use. */
export function channelsOf(stem: string): string[] {
  return Array.from({ length: CHANNELS }, (_, n) => channelOf(stem, n));
}

/** Whose ids go by this channel; a channel of one topic is its own. */
export function stemOf(channel: string): string {
  const end = channel.lastIndexOf('/');
  return end === -1 ? channel : channel.slice(0, end);
}

/** Whether a channel is one of those ids with this stem use. */
export function isOf(stem: string, channel: string): boolean {
  return channel.startsWith(`${stem}/`);
}

/** Between a mark and the JSON text told with it. */
export const TELLS = '=';

/** Calls back for each notice of a payload, in order: a line each, the mark and what it tells. */
export function eachNotice(payload: string, heard: (mark: string, told: string | undefined) => void): void {
  for (const notice of payload.includes('\n') ? payload.split('\n') : [payload]) {
    const end = notice.indexOf(TELLS);
    if (end === -1) heard(notice, undefined);
    else heard(notice.slice(0, end), notice.slice(end + 1));
  }
}

function channelOf(stem: string, n: number): string {
  return `${stem}/${n}`;
}
