/** Where the API is below the mount. */
export const API = '/api/v1';
