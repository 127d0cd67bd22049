import { spawn } from "node:child_process";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { givenLog, givenSigner } from "../test/given-log.ts";

const PROGRAM = new URL("../../../tools/audit-verify.mjs", import.meta.url).pathname;
let dir = "";
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "hostile-"));
});
afterAll(() => rm(dir, { recursive: true }));

/** A server that answers by path, and an honest log of 600 entries where nothing else is said. */
async function served(answers: Record<string, RequestListener>, vkey?: string) {
  const log = await givenLog(600);
  const source = log.source();
  const honest: RequestListener = async (req, res) => {
    const url = new URL(req.url ?? "", "http://x");
    const [from, to] = ["from", "to"].map((name) => Number(url.searchParams.get(name)));
    const path = url.pathname.replace("/v1/audit/", "");
    if (path === "checkpoint") return void res.end(log.note);
    if (path === "hashes") {
      const read = url.searchParams.get("of") === "log" ? source.log : source.store;
      return void res.end(await read?.(from as number, to as number));
    }
    const bytes = [...log.tiles].find(([name]) => name === path)?.[1];
    res.writeHead(bytes ? 200 : 404).end(bytes);
  };
  const asked: string[] = [];
  const server = createServer((req, res) => {
    asked.push(req.url ?? "");
    const path = Object.keys(answers).find((one) => req.url?.startsWith(`/v1/audit/${one}`));
    return ((path && answers[path]) || honest)(req, res);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => server.closeAllConnections());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { ...(await run(["--key", vkey ?? log.signer.vkey, "--url", url])), asked };
}

async function run(args: string[], env: Record<string, string> = { MEDVAULT_TOKEN: "t" }) {
  const state = await mkdtemp(join(dir, "state-"));
  const child = spawn(process.execPath, [PROGRAM, "--state", state, ...args], { env });
  let said = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (text) => {
      said += text;
    });
  const code = await new Promise((resolve) => child.on("close", resolve));
  return { code, said, state };
}

test("an honest server without bodies is fine, and it is said what was not checked", async () => {
  const { code, said } = await served({});
  expect([code, said]).toEqual([0, expect.stringMatching(/^VALID: .* 600 entries/)]);
  expect(said).toContain("Not checked: the bodies of entries");
});

/** An answer without an end. */
const endless: RequestListener = (_req, res) => {
  const more = () => {
    while (res.write(Buffer.alloc(64 * 1024, "a"))) if (res.destroyed) return;
    res.once("drain", more);
  };
  more();
};

test.each(["checkpoint", "tile/1", "completeness", "bodies"])(
  "threat: an answer of %s without an end is not taken in",
  async (path) => {
    const { code, said } = await served({ [path]: endless });
    expect([code, said]).toEqual([
      2,
      expect.stringMatching(/^NOT CHECKED: .*(larger than|order of the log)/),
    ]);
  },
);

test("threat: a redirection is not followed: the token stays where it was meant for", async () => {
  const { code, said, asked } = await served({
    checkpoint: (_req, res) => void res.writeHead(302, { location: "/elsewhere" }).end(),
  });
  expect([code, said]).toEqual([2, expect.stringContaining("was answered with 302")]);
  expect(asked).not.toContain("/elsewhere");
});

test("threat: tiles of a wrong width, more hashes than there are entries, and fewer", async () => {
  const tile = await served({ "tile/1": (_req, res) => void res.end(Buffer.alloc(33)) });
  expect([tile.code, tile.said]).toEqual([1, expect.stringContaining("tile_changed")]);
  const more = await served({ "hashes?of=log": (_req, res) => void res.end(Buffer.alloc(700 * 32, 1)) });
  expect([more.code, more.said]).toEqual([1, expect.stringContaining("600 entries were edited")]);
  const fewer = await served({ "hashes?of=log": (_req, res) => void res.end(Buffer.alloc(31)) });
  expect([fewer.code, fewer.said]).toEqual([2, expect.stringContaining("broke off, again and again")]);
});

test("threat: wrong types where objects are expected end as not checked, and never as valid", async () => {
  for (const items of [
    "null",
    "[null]",
    '[{"producer":{},"epoch":1,"gaps":[]}]',
    '{"toString":1}',
    "[".repeat(99_999),
  ]) {
    const { code } = await served({ completeness: (_req, res) => void res.end(`{"items":${items}}`) });
    expect(code, items.slice(0, 40)).toBe(2);
  }
  for (const line of [
    '{"index":"0"}',
    '{"index":-1}',
    '{"index":0}\n{"index":0}',
    "x",
    '{"end":true,"count":5}',
  ]) {
    const { code } = await served({ bodies: (_req, res) => void res.end(`${line}\n`) });
    expect(code, line).toBe(2);
  }
});

test("threat: escapes in what a server says do not reach the terminal, nor do they name a file", async () => {
  const producer = "\u001b[2Jx\u202e\u0007";
  const items = [{ producer, epoch: 1, gaps: [{ from: 1, to: 2 }] }];
  const { code, said } = await served({
    completeness: (_req, res) => void res.end(JSON.stringify({ items })),
  });
  expect(code).toBe(1);
  expect(said).toContain("of \\u{1b}[2Jx\\u{202e}\\u{7}, epoch 1");
  expect([...said].every((one) => one >= " " || one === "\n")).toBe(true);
  const climbing = givenSigner("../../../climbing");
  const { state } = await served({}, climbing.vkey);
  expect(await readdir(state)).toEqual([expect.stringMatching(/^[0-9a-f]{16}$/)]);
});

test("wrong use is exit code 2, and says what to do", async () => {
  const { vkey } = givenSigner("example.test/audit");
  const cases: [string[], Record<string, string>, string][] = [
    [[], {}, "--url or --dump"],
    [["--dump", dir], {}, "give the public key with --key"],
    [["--dump", dir, "--key", vkey], {}, 'holds no file "checkpoint"'],
    [["--dump", dir, "--key", "/nope"], {}, "there is no file /nope"],
    [["--dump", dir, "--key", vkey.replace("+", "+0")], {}, "verifier key"],
    [["--url", "http://example.test", "--key", vkey], {}, "must be https"],
    [["--url", "http://127.0.0.1:1", "--key", vkey], {}, "there is no token"],
    [["--url", "http://127.0.0.1:1", "--key", vkey], { MEDVAULT_TOKEN: "t" }, "gives no answer"],
    [["--dump", dir, "--key", vkey, "--quorum", "1"], {}, "--quorum must be"],
    [["--frobnicate"], {}, "--help"],
  ];
  for (const [args, env, words] of cases) {
    const { code, said } = await run(args, env);
    expect([args.join(" "), code, said]).toEqual([args.join(" "), 2, expect.stringContaining(words)]);
  }
  expect(await run(["--help"])).toMatchObject({ code: 0, said: expect.stringContaining("Exit codes") });
});
