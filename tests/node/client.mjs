// An MCP client on the official TypeScript SDK, for tests: `node client.mjs 1|2 URL`. It reads commands from standard
// input, one JSON object a line, and answers each with one on standard output. In between it may send `open`, the
// address that its user's browser should show.
import { createServer } from "node:http";
import { createInterface } from "node:readline";

const [version, address] = process.argv.slice(2);
const sdk =
  version === "1"
    ? {
        ...(await import("@modelcontextprotocol/sdk/client/index.js")),
        ...(await import("@modelcontextprotocol/sdk/client/streamableHttp.js")),
        ...(await import("@modelcontextprotocol/sdk/client/auth.js")),
      }
    : await import("@modelcontextprotocol/client");

const send = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);

let returned;
const callback = new Promise((resolve) => (returned = resolve));
const listener = createServer((request, response) => {
  response.setHeader("content-type", "text/plain").end("Back again.");
  const { pathname, searchParams } = new URL(request.url, "http://127.0.0.1");
  if (pathname === "/callback") returned(searchParams);
});
await new Promise((resolve) => listener.listen(0, "127.0.0.1", resolve));

const kept = {};
const provider = {
  redirectUrl: `http://127.0.0.1:${listener.address().port}/callback`,
  get clientMetadata() {
    return {
      client_name: `TypeScript SDK ${version}`,
      redirect_uris: [this.redirectUrl],
      grant_types: ["authorization_code", "refresh_token"],
      response_types: ["code"],
      token_endpoint_auth_method: "none",
    };
  },
  clientInformation: () => kept.client,
  saveClientInformation: (client) => void (kept.client = client),
  tokens: () => kept.tokens,
  saveTokens: (tokens) => void (kept.tokens = tokens),
  codeVerifier: () => kept.verifier,
  saveCodeVerifier: (verifier) => void (kept.verifier = verifier),
  saveDiscoveryState: (state) => void (kept.discovery = state),
  discoveryState: () => kept.discovery,
  redirectToAuthorization: (url) => send({ open: url.href }),
};

let client;
const connect = async () => {
  client = new sdk.Client({ name: "test", version: "1" });
  const transport = new sdk.StreamableHTTPClientTransport(new URL(address), { authProvider: provider });
  await client.connect(transport).catch(async (error) => {
    if (!(error instanceof sdk.UnauthorizedError)) throw error;
    const answer = await callback;
    await transport.finishAuth(version === "1" ? answer.get("code") : answer);
    await connect();
  });
};

const commands = {
  connect,
  tools: async () => (await client.listTools()).tools.map(({ name }) => name),
  call: async ({ name, args }) => {
    const { isError, structuredContent, content } = await client.callTool({ name, arguments: args });
    if (isError) throw new Error(content[0].text);
    return structuredContent;
  },
  tokens: () => kept.tokens,
  // The SDK asks for no scopes when it refreshes; a client that wants to names them by this hook.
  refresh: async ({ scope }) => {
    provider.addClientAuthentication = (headers, parameters) => {
      parameters.set("client_id", kept.client.client_id);
      if (scope) parameters.set("scope", scope);
    };
    const result = await sdk.auth(provider, { serverUrl: address });
    delete provider.addClientAuthentication;
    return result;
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const { command, ...rest } = JSON.parse(line);
  try {
    send({ result: (await commands[command](rest)) ?? null });
  } catch (error) {
    send({ error: String(error.stack ?? error) });
  }
}
process.exit(0);
