import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { type WebSocket, WebSocketServer } from "ws";
import type { Snapshot } from "@/lib/api/dashboard";

/** A token with the claims of a real one; its signature is not checked here. */
export function tokenFor(seconds: number, name = "token"): string {
  const payload = { sub: name, exp: Math.floor(Date.now() / 1000) + seconds };
  return `x.${Buffer.from(JSON.stringify(payload)).toString("base64url")}.${name}`;
}

/** The bridge, the socket and the token endpoint on one real port, which can be stopped and restarted. */
export class FakeServer {
  total = 1;
  signedIn = true;
  /** Whether WebSocket upgrades are accepted. */
  sockets = true;
  /** How the socket answers a token: ready, close (4401), or nothing. */
  onToken: (token: string, socket: WebSocket) => void = (_token, socket) => socket.send('{"type":"ready"}');
  /** Responses for the next snapshot requests, instead of a snapshot. */
  failures: ((response: ServerResponse) => void)[] = [];
  snapshotRequests = 0;
  tokensSeen: string[] = [];
  tokenRequests = 0;
  connections = 0;
  open = new Set<WebSocket>();
  port = 0;
  private http?: Server;

  async start(): Promise<void> {
    const http = createServer((request, response) => this.answer(request.url ?? "", response));
    const upgrades = new WebSocketServer({ noServer: true });
    http.on("upgrade", (request, stream, head) => {
      if (!this.sockets) return stream.destroy();
      upgrades.handleUpgrade(request, stream, head, (socket) => this.accept(socket));
    });
    await new Promise<void>((done) => http.listen(this.port, "127.0.0.1", done));
    this.port = (http.address() as AddressInfo).port;
    this.http = http;
  }

  async stop(): Promise<void> {
    for (const socket of this.open) socket.terminate();
    this.http?.closeAllConnections();
    await new Promise((done) => this.http?.close(done));
  }

  get origin(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  announce(
    message = '{"event_type":"task_created","task_id":1,"user_id":"a","timestamp":"2026-02-07T00:00:00Z"}',
  ): void {
    for (const socket of this.open) socket.send(message);
  }

  private accept(socket: WebSocket): void {
    this.connections++;
    this.open.add(socket);
    socket.on("close", () => this.open.delete(socket));
    socket.on("message", (data) => {
      const message = JSON.parse(String(data)) as { type: string; token: string };
      if (message.type !== "authenticate") return;
      this.tokensSeen.push(message.token);
      this.onToken(message.token, socket);
    });
  }

  private answer(url: string, response: ServerResponse): void {
    if (url === "/api/auth/token") {
      this.tokenRequests++;
      answerJson(response, this.signedIn ? 200 : 401, {
        token: tokenFor(300, `token-${this.tokenRequests}`),
      });
      return;
    }
    this.snapshotRequests++;
    const failure = this.failures.shift();
    if (failure) failure(response);
    else answerJson(response, 200, snapshotOf(this.total));
  }
}

export function answerJson(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { "content-type": "application/json", ...headers });
  response.end(JSON.stringify(body));
}

function snapshotOf(total: number): Snapshot {
  const statistics = { total_tasks: total, pending_tasks: total, completed_tasks: 0, shared_tasks: 0 };
  return { statistics, trend: [], tasks: [], task_count: 0, teams: [], team_count: 0 };
}
