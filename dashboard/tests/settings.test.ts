import { expect, test } from "vitest";
import { readSettings, SettingsError } from "@/lib/settings";

const enough = { DATABASE_URL: "postgresql:///x", BETTER_AUTH_SECRET: "s".repeat(32) };

test.each([
  [{ BETTER_AUTH_SECRET: undefined }, "BETTER_AUTH_SECRET is not set."],
  [{ BETTER_AUTH_SECRET: "short" }, "BETTER_AUTH_SECRET must have at least 32 characters."],
  [{ BETTER_AUTH_SECRETS: "s".repeat(32) }, "BETTER_AUTH_SECRETS must be a list such as 2:SECRET,1:SECRET"],
  [{ BETTER_AUTH_SECRETS: "1:short" }, "BETTER_AUTH_SECRETS must be a list such as 2:SECRET,1:SECRET"],
  [{ DATABASE_URL: "" }, "DATABASE_URL is not set."],
  [{ TASKDECK_PUBLIC_URL: "localhost:8000" }, "TASKDECK_PUBLIC_URL must be an http or https address"],
  [{ TASKDECK_SIGN_IN_LIMIT: "0" }, "TASKDECK_SIGN_IN_LIMIT must be a whole number of at least 1."],
  [
    { TASKDECK_ACCESS_TOKEN_SECONDS: "1.5" },
    "TASKDECK_ACCESS_TOKEN_SECONDS must be a whole number from 1 to 86400.",
  ],
  [
    { TASKDECK_ACCESS_TOKEN_SECONDS: "90000" },
    "TASKDECK_ACCESS_TOKEN_SECONDS must be a whole number from 1 to 86400.",
  ],
])("an invalid value gives one sentence that names its variable: %o", (change, sentence) => {
  expect(() => readSettings({ ...enough, ...change })).toThrow(SettingsError);
  expect(() => readSettings({ ...enough, ...change })).toThrow(sentence);
});

test("a loopback server accepts localhost and 127.0.0.1", () => {
  const local = readSettings({ ...enough, TASKDECK_PUBLIC_URL: "http://127.0.0.1:8000/" });
  expect(local.mcpResources).toEqual(["http://127.0.0.1:8000/mcp", "http://localhost:8000/mcp"]);
  expect(local.dashboardOrigins).toEqual(["http://127.0.0.1:3000", "http://localhost:3000"]);
});

test("sslmode=require has libpq's meaning", () => {
  const url = (query: string) =>
    readSettings({ ...enough, DATABASE_URL: `postgresql://h/d${query}` }).databaseUrl;
  expect(url("?sslmode=require&channel_binding=require")).toBe(
    "postgresql://h/d?sslmode=require&channel_binding=require&uselibpqcompat=true",
  );
  for (const query of ["", "?sslmode=verify-full", "?sslmode=require&uselibpqcompat=false"])
    expect(url(query)).toBe(`postgresql://h/d${query}`);
});

test("a public server has one name", () => {
  const remote = readSettings({ ...enough, TASKDECK_PUBLIC_URL: "https://tasks.example.org" });
  expect(remote.mcpResources).toEqual(["https://tasks.example.org/mcp"]);
  expect(remote.apiAudience).toBe("https://tasks.example.org/api");
});

test("the secret before the first replacement is not needed once nothing is encrypted with it", () => {
  const [newest, older] = ["n".repeat(32), "o".repeat(32)];
  const replaced = {
    ...enough,
    BETTER_AUTH_SECRET: undefined,
    BETTER_AUTH_SECRETS: `2:${newest}, 1:${older}`,
  };
  expect(readSettings(replaced).secrets).toEqual([
    { version: 2, value: newest },
    { version: 1, value: older },
  ]);
});
