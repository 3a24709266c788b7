/** Whether the screen is a phone's: the width from which the styles change. */
import { Store } from './store.js';

const media = matchMedia('(max-width: 800px)');

export const narrow = new Store(media.matches);

media.addEventListener('change', () => narrow.set(media.matches));
