export { CeleriacError } from './errors.js';
