import { watchStatements } from "@medvault/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Answer, createHarness, type Harness, PASSWORD } from "../../test/harness.ts";

// What a request sends to Postgres, `begin` and `commit` too, and to Redis: each is a round trip
// that its user waits for, and one more is seen here.
let h: Harness;
let sent: ReturnType<typeof watchStatements>;
let commands: string[] = [];
beforeAll(async () => {
  h = await createHarness();
  sent = watchStatements();
  const { connection } = h;
  const send = connection.sendCommand.bind(connection);
  connection.sendCommand = (command, stream) => {
    if (command.name !== "ping") commands.push(command.name); // its own look at the connection
    return send(command, stream);
  };
});
afterAll(async () => {
  sent?.stop();
  await h?.close();
});

async function counted<T extends { status: number }>(request: () => Promise<T>) {
  sent.clear();
  commands = [];
  const answer = await request();
  expect(answer.status).toBe(200);
  return { answer, statements: sent.texts.length, commands, texts: sent.texts.join("\n") };
}

test("a refresh takes three statements, none of them a transaction of its own, and two of Redis", async () => {
  const { tokens } = await h.client(await h.person("patient"));
  const { refreshToken } = tokens;
  const first = await counted(() => h.guest().post<Answer>("/v1/auth/refresh", { refreshToken }));
  expect(first.texts).not.toMatch(/^(begin|commit)/m);
  expect([first.statements, first.commands]).toEqual([3, ["hget", "eval"]]);
});

test("a sign-in takes eight statements, with `begin`, `commit` and the look at the index keys, and three of Redis", async () => {
  const { account } = await h.person("patient");
  const body = { identifier: account.username, password: PASSWORD };
  const first = await counted(() => h.guest().post<Answer>("/v1/auth/login", body));
  expect([first.statements, first.commands]).toEqual([8, SIGN_IN]);
  const headers = { "x-device-token": String(first.answer.body.deviceToken) };
  const again = await counted(() => h.guest().post<Answer>("/v1/auth/login", body, { headers }));
  expect([again.statements, again.commands]).toEqual([8, SIGN_IN]);
});

/** The bucket is counted in; then, at once, it is cleared and the session is put. */
const SIGN_IN = ["eval", "del", "eval"];
