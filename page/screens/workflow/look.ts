/** The size of a part in the graph: apart from the code that lays it out, which is loaded with the first graph. */
export const NODE = { width: 196, height: 48 } as const;
