/** The dashboard's settings, read from the environment once per process, when it starts. */

export class SettingsError extends Error {}

export interface Settings {
  databaseUrl: string;
  /** Signs cookies and links, and encrypts the keys that sign tokens. */
  secret: string;
  /** While it is replaced: the new ones, the newest first. Better Auth encrypts with the first and decrypts with all. */
  secrets?: { version: number; value: string }[];
  /** Origin of this app, and the issuer (`iss`) of every token it signs. */
  dashboardUrl: string;
  /** The origins of this app's pages: on loopback there are two. */
  dashboardOrigins: string[];
  /** Address of the Python server as its clients know it. */
  publicUrl: string;
  /** Where this process reaches the Python server. */
  bridgeUrl: string;
  /** Audience of the dashboard's own tokens. */
  apiAudience: string;
  /** Resources an MCP client may ask a token for; the first is the canonical one. */
  mcpResources: [string, ...string[]];
  /** User id of this machine's owner, which the first account gets. Set by `taskdeck up` on the embedded database. */
  localOwner?: string;
  /** Addresses (CIDR) of reverse proxies whose X-Forwarded-For is trusted. */
  trustedProxies: string[];
  /** Sign-in attempts allowed per address in ten seconds. */
  signInLimit: number;
  /** How e-mail leaves; undefined if it cannot. `terminal` prints it, for a server that only this machine reaches. */
  mail?: { way: "smtp"; url: string; from: string } | { way: "terminal" };
  /** Whether pages may show the links of printed mail to the user who runs this process; `taskdeck up` sets it. */
  showsLinks: boolean;
  /** How long a link in an e-mail is valid, in seconds. */
  linkSeconds: number;
  /** Lifetime of an MCP client's access token in seconds: how long a disconnected client can still act. */
  accessTokenSeconds: number;
  github?: { clientId: string; clientSecret: string };
  google?: { clientId: string; clientSecret: string };
}

let cached: Settings | undefined;

export function settings(): Settings {
  cached ??= readSettings(process.env);
  return cached;
}

export function readSettings(env: Record<string, string | undefined>): Settings {
  const dashboardUrl = origin(env, "TASKDECK_DASHBOARD_URL", "http://127.0.0.1:3000");
  const publicUrl = origin(env, "TASKDECK_PUBLIC_URL", "http://127.0.0.1:8000");
  const secrets = versionedSecrets(env.BETTER_AUTH_SECRETS);
  const secret = env.BETTER_AUTH_SECRET || secrets?.at(-1)?.value || required(env, "BETTER_AUTH_SECRET");
  if (secret.length < 32) throw new SettingsError("BETTER_AUTH_SECRET must have at least 32 characters.");
  return {
    databaseUrl: asLibpq(required(env, "DATABASE_URL")),
    secret,
    secrets,
    dashboardUrl,
    dashboardOrigins: namesOf(dashboardUrl),
    publicUrl,
    bridgeUrl: origin(env, "TASKDECK_BRIDGE_URL", publicUrl),
    apiAudience: `${publicUrl}/api`,
    mcpResources: namesOf(publicUrl).map((url) => `${url}/mcp`) as Settings["mcpResources"],
    localOwner: env.TASKDECK_LOCAL_OWNER || undefined,
    trustedProxies: (env.TASKDECK_TRUSTED_PROXIES ?? "").split(/[\s,]+/).filter(Boolean),
    signInLimit: wholeNumber(env, "TASKDECK_SIGN_IN_LIMIT", 3),
    mail: mailSettings(env, isLoopback(dashboardUrl)),
    showsLinks: Boolean(env.TASKDECK_SHOW_LINKS) && isLoopback(dashboardUrl),
    linkSeconds: wholeNumber(env, "TASKDECK_LINK_SECONDS", 3_600, 604_800),
    accessTokenSeconds: wholeNumber(env, "TASKDECK_ACCESS_TOKEN_SECONDS", 900, 86_400),
    github: credentials(env, "GITHUB"),
    google: credentials(env, "GOOGLE"),
  };
}

/** Origins and resources are compared as strings, so a loopback server needs both localhost and 127.0.0.1. */
function namesOf(url: string): [string, ...string[]] {
  if (!isLoopback(url)) return [url];
  const { hostname } = new URL(url);
  const others = ["127.0.0.1", "localhost"].filter((name) => name !== hostname);
  return [url, ...others.map((name) => url.replace(hostname, name))];
}

function isLoopback(url: string): boolean {
  return ["localhost", "127.0.0.1", "[::1]"].includes(new URL(url).hostname);
}

function mailSettings(env: Record<string, string | undefined>, onlyThisMachine: boolean): Settings["mail"] {
  const url = env.TASKDECK_SMTP_URL;
  if (!url) return onlyThisMachine ? { way: "terminal" } : undefined;
  if (!URL.canParse(url) || !/^smtps?:$/.test(new URL(url).protocol) || !new URL(url).hostname)
    throw new SettingsError(
      "TASKDECK_SMTP_URL must be an address such as smtp://user:password@mail.example.com:587.",
    );
  const from = env.TASKDECK_MAIL_FROM ?? "";
  if (!/^[^<>@\r\n]*(<[^<>@\s]+@[^<>@\s]+>|[^<>@\s]+@[^<>@\s]+)$/.test(from))
    throw new SettingsError(
      "TASKDECK_MAIL_FROM must be the sender of mail, such as Taskdeck <taskdeck@example.com>.",
    );
  return { way: "smtp", url, from };
}

/** node-postgres reads sslmode=require as verify-full unless it is asked for libpq's meaning. */
function asLibpq(url: string): string {
  if (!/[?&]sslmode=require(&|$)/.test(url) || url.includes("uselibpqcompat=")) return url;
  return `${url}&uselibpqcompat=true`;
}

/** The form that Better Auth itself reads: `2:newest,1:older`. */
function versionedSecrets(text = ""): Settings["secrets"] {
  if (!text) return undefined;
  return text.split(",").map((entry) => {
    const [, version, value] = /^\s*(\d{1,9}):(\S{32,})\s*$/.exec(entry) ?? [];
    if (!version || !value)
      throw new SettingsError(
        "BETTER_AUTH_SECRETS must be a list such as 2:SECRET,1:SECRET, the newest first, of at least 32 characters each.",
      );
    return { version: Number(version), value };
  });
}

function required(env: Record<string, string | undefined>, name: string): string {
  const value = env[name];
  if (!value) throw new SettingsError(`${name} is not set.`);
  return value;
}

function wholeNumber(
  env: Record<string, string | undefined>,
  name: string,
  fallback: number,
  most = Number.MAX_SAFE_INTEGER,
): number {
  const value = Number(env[name] || fallback);
  if (Number.isInteger(value) && value >= 1 && value <= most) return value;
  const range = most === Number.MAX_SAFE_INTEGER ? "of at least 1" : `from 1 to ${most}`;
  throw new SettingsError(`${name} must be a whole number ${range}.`);
}

function origin(env: Record<string, string | undefined>, name: string, fallback: string): string {
  const value = env[name] || fallback;
  if (!URL.canParse(value) || !/^https?:$/.test(new URL(value).protocol))
    throw new SettingsError(`${name} must be an http or https address such as ${fallback}.`);
  return new URL(value).origin;
}

function credentials(env: Record<string, string | undefined>, provider: string) {
  const clientId = env[`${provider}_CLIENT_ID`];
  const clientSecret = env[`${provider}_CLIENT_SECRET`];
  return clientId && clientSecret ? { clientId, clientSecret } : undefined;
}
