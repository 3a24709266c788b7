/**
 * Where this package lies. CommonJS, since every tool that loads or rewrites modules knows `__dirname`, and few know
 * `import.meta`. In a bundle it is the folder of the bundle, or nothing where the bundle is an ES module.
 */
const folder: string | undefined = typeof __dirname === 'undefined' ? undefined : __dirname;

export = { folder };
