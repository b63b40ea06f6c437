/** Digest of the error "no database". The digest is all that Next.js sends to the browser of a server error. */
export const DATABASE_UNAVAILABLE = "DATABASE_UNAVAILABLE";
