/**
 * The module for Node's hooks thread, on versions with `module.register` only (20.19 to 22.14). Its one setting, the
 * path of SWC, is in the URL, so that it needs no state of its own.
 */
import { createTypeScriptHooks } from './typescript-hooks.js';

const swcPath = new URL(import.meta.url).searchParams.get('swc') ?? '@swc/core';

export const { resolve, load } = createTypeScriptHooks(swcPath);
