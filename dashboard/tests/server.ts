import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { type WebSocket, WebSocketServer } from "ws";

/** A token as the sign-in server makes it; nobody in these tests checks its signature. */
export function tokenFor(seconds: number, name = "token"): string {
  const payload = { sub: name, exp: Math.floor(Date.now() / 1000) + seconds };
  return `x.${Buffer.from(JSON.stringify(payload)).toString("base64url")}.${name}`;
}

/** The bridge, the socket and the token endpoint on one real port, which can be stopped and started again. */
export class FakeServer {
  total = 1;
  signedIn = true;
  /** Whether the socket and the bridge answer; with both off the port is closed. */
  sockets = true;
  /** How the socket treats a token: ready, refused (4401), or silence. */
  greet: (token: string, socket: WebSocket) => void = (_token, socket) => socket.send('{"type":"ready"}');
  tokensSeen: string[] = [];
  tokensAsked = 0;
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

  announce(): void {
    for (const socket of this.open)
      socket.send(
        '{"event_type":"task_created","task_id":1,"user_id":"a","timestamp":"2026-02-07T00:00:00Z"}',
      );
  }

  private accept(socket: WebSocket): void {
    this.connections++;
    this.open.add(socket);
    socket.on("close", () => this.open.delete(socket));
    socket.on("message", (data) => {
      const message = JSON.parse(String(data)) as { type: string; token: string };
      if (message.type !== "authenticate") return;
      this.tokensSeen.push(message.token);
      this.greet(message.token, socket);
    });
  }

  private answer(url: string, response: import("node:http").ServerResponse): void {
    const path = url.split("?")[0];
    const bodies: Record<string, unknown> = {
      "/api/dashboard/statistics": {
        total_tasks: this.total,
        pending_tasks: this.total,
        completed_tasks: 0,
        shared_tasks: 0,
      },
      "/api/dashboard/trend": { days: [] },
      "/api/dashboard/tasks": { tasks: [], total_count: 0 },
      "/api/dashboard/teams": { teams: [] },
    };
    response.setHeader("content-type", "application/json");
    if (path === "/api/auth/token") {
      this.tokensAsked++;
      response.statusCode = this.signedIn ? 200 : 401;
      response.end(JSON.stringify({ token: tokenFor(300, `token-${this.tokensAsked}`) }));
    } else {
      response.end(JSON.stringify(bodies[path ?? ""]));
    }
  }
}
