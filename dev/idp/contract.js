// What the provider and the programs that sign in at it agree on, kept apart
// so that a program need not load the provider.

/** Where programs without a web server are sent back to. */
export const CALLBACK = '/dev/callback';

/** The password of every native account that a program creates. */
export const PASSWORD = 'development';
