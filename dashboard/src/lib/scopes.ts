/** The permissions of a token at the MCP server. */
export const MCP_SCOPES = ["mcp:read", "mcp:write"];

/** Asks for a refresh token (OpenID Connect Core section 11); it permits nothing by itself. */
export const OFFLINE_ACCESS = "offline_access";

/** Every scope that a client may ask for. */
export const CLIENT_SCOPES = [...MCP_SCOPES, OFFLINE_ACCESS];
