/** The optional package `pg`, where bundlers see it. */
function load(): unknown {
  try {
    return require('pg');
  } catch (error) {
    // biome-ignore lint/complexity/noUselessCatch: by the try bundlers know that it may be missing
    throw error;
  }
}

export = { load };
