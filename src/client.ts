/** `celeriac/client`: follows a task in a browser. Loads nothing of the rest of the package. */
export type { Update } from './client/connection.js';
export { type ChunkEntry, type Followed, type FollowOptions, follow } from './client/follow.js';
