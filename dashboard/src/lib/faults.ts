/** Digest of the error that means "no database": it is all the browser learns of a server error. */
export const DATABASE_AWAY = "DATABASE_AWAY";
