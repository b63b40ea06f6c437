import { createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, test } from "vitest";
import { setHostHeader } from "@/lib/start";

test("requests to the bridge carry the public host name", async () => {
  const hosts: (string | undefined)[] = [];
  const server = createServer((asked, answer) => {
    hosts.push(asked.headers.host);
    answer.end();
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address() as AddressInfo;
  const call = (host: string) =>
    new Promise((done) => request({ host: "127.0.0.1", port, headers: { host } }, done).end());
  setHostHeader(`http://127.0.0.1:${port}`, "https://tasks.example.com");
  await call(`127.0.0.1:${port}`);
  await call("elsewhere.example");
  server.closeAllConnections();
  server.close();
  expect(hosts).toEqual(["tasks.example.com", "elsewhere.example"]);
});
