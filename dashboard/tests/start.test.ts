import { createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, test } from "vitest";
import { callByName } from "@/lib/start";

test("the server is called by the name that it goes by, whatever leads to it", async () => {
  const heard: (string | undefined)[] = [];
  const server = createServer((asked, answer) => {
    heard.push(asked.headers.host);
    answer.end();
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address() as AddressInfo;
  const call = (host: string) =>
    new Promise((done) => request({ host: "127.0.0.1", port, headers: { host } }, done).end());
  callByName(`http://127.0.0.1:${port}`, "https://tasks.example.com");
  await call(`127.0.0.1:${port}`);
  await call("elsewhere.example");
  server.closeAllConnections();
  server.close();
  expect(heard).toEqual(["tasks.example.com", "elsewhere.example"]);
});
