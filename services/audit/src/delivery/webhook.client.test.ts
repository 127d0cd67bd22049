import { createHmac, timingSafeEqual } from "node:crypto";
import { createServer, type IncomingHttpHeaders, type RequestListener, type Server } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { createSecureContext } from "node:tls";
import { createTestAuthority } from "@medvault/testing";
import { afterEach, expect, test } from "vitest";
import { DeliveryFailed } from "./delivery.errors.ts";
import type { Delivery } from "./delivery.ts";
import { isPublicAddress } from "./public-address.ts";
import { type WebhookOptions, webhookChannel } from "./webhook.client.ts";
import { isWebhookUrl, secretsOf } from "./webhook-signature.ts";

const SECRET = `whsec_${Buffer.alloc(32, 7).toString("base64")}`;
const SECOND = `whsec_${Buffer.alloc(24, 9).toString("base64")}`;
const AT = new Date("2026-11-28T10:00:00.000Z");
const delivery: Delivery = {
  id: "019ad000-0000-7000-8000-000000000001",
  change: "opened",
  createdAt: AT,
  notice: {
    ...{ id: "019ad000-0000-7000-8000-000000000002", rule: "denials", severity: "high", state: "open" },
    ...{ openedAt: AT.toISOString(), lastAt: AT.toISOString(), count: 3, whatToDo: "Ask “them” why." },
    events: ["019ad000-0000-7000-8000-000000000003"],
  },
};

const open: { close(): unknown }[] = [];
afterEach(() => {
  for (const each of open.splice(0)) each.close();
});

interface Got {
  headers: IncomingHttpHeaders;
  body: string;
  url: string | undefined;
}

const closing = (server: Server) => ({
  close() {
    server.close();
    server.closeAllConnections();
  },
});

/** Keeps what comes, and answers by `answer`. */
function receiver(answer: RequestListener) {
  const got: Got[] = [];
  const listener: RequestListener = (req, res) => {
    let body = "";
    req.setEncoding("utf8");
    req.on("data", (piece) => {
      body += piece;
    });
    req.on("end", () => {
      got.push({ headers: req.headers, body, url: req.url });
      answer(req, res);
    });
  };
  return { got, listener };
}
async function plain(answer: RequestListener = (_req, res) => void res.writeHead(204).end()) {
  const { got, listener } = receiver(answer);
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  open.push(closing(server));
  return { got, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/alerts` };
}
const channelTo = (url: string, options: Partial<WebhookOptions> = {}) =>
  webhookChannel({
    ...{ url, allowPrivate: true, now: () => AT, secureContext: createSecureContext() },
    secrets: secretsOf(SECRET) ?? [],
    ...options,
  });
/** The reason of its failure; null: it was taken. */
const sent = (url: string, options?: Partial<WebhookOptions>) =>
  channelTo(url, options)
    .send(delivery)
    .then(
      () => null,
      (error: unknown) => (error instanceof DeliveryFailed ? error.reason : error),
    );

/** As a receiver would check it: docs/alert-delivery.md shows the same lines. */
function verify(secret: string, { headers, body }: Got, now: Date, seen: Set<string>): boolean {
  const id = String(headers["webhook-id"]);
  const timestamp = String(headers["webhook-timestamp"]);
  const key = Buffer.from(secret.slice("whsec_".length), "base64");
  const expected = createHmac("sha256", key).update(`${id}.${timestamp}.${body}`).digest();
  const isSigned = String(headers["webhook-signature"])
    .split(" ")
    .map((each) => Buffer.from(each.replace(/^v1,/, ""), "base64"))
    .some((given) => given.length === expected.length && timingSafeEqual(given, expected));
  const isRecent = Math.abs(now.getTime() / 1000 - Number(timestamp)) <= 300;
  if (!isSigned || !isRecent || seen.has(id)) return false;
  seen.add(id);
  return true;
}

test("an alert is posted with codes, counts and ids of events, signed, and a receiver accepts it once", async () => {
  const { got, url } = await plain();
  expect(await sent(url)).toBe(null);
  const [post] = got as [Got];
  expect(post.url).toBe("/alerts");
  expect(JSON.parse(post.body)).toEqual({
    type: "alert.opened",
    timestamp: AT.toISOString(),
    data: delivery.notice,
  });
  expect(post.headers["webhook-id"]).toBe(delivery.id);
  const seen = new Set<string>();
  expect(verify(SECRET, post, AT, seen)).toBe(true);
  expect(verify(SECRET, post, AT, seen)).toBe(false); // a double
});

test("threat: a recorded post is worth nothing later, nor with another body, id, time or secret", async () => {
  const { got, url } = await plain();
  await sent(url);
  const [post] = got as [Got];
  const verified = (changed: Partial<Got["headers"]>, body = post.body, secret = SECRET, now = AT) =>
    verify(secret, { ...post, headers: { ...post.headers, ...changed }, body }, now, new Set());
  expect(verified({})).toBe(true);
  expect(verified({}, post.body, SECRET, new Date(AT.getTime() + 301_000))).toBe(false);
  expect(verified({ "webhook-timestamp": String(AT.getTime() / 1000 + 60) })).toBe(false);
  expect(verified({ "webhook-id": "019ad000-0000-7000-8000-00000000000f" })).toBe(false);
  expect(verified({}, post.body.replace("high", "low"))).toBe(false);
  expect(verified({}, post.body, SECOND)).toBe(false);
});

test("the signature is that of the scheme's own example", async () => {
  // Of the specification's repository: standard-webhooks/standard-webhooks, libraries' tests.
  const { signedHeaders } = await import("./webhook-signature.ts");
  const headers = signedHeaders(secretsOf("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw") ?? [], {
    id: "msg_p5jXN8AQM9LWM0D4loKWxJek",
    at: new Date(1_614_265_330_000),
    body: '{"test": 2432232314}',
  });
  expect(headers["webhook-signature"]).toBe("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
});

test("while a secret is replaced, each of them verifies", async () => {
  const { got, url } = await plain();
  await sent(url, { secrets: secretsOf(`${SECOND}, ${SECRET}`) ?? [] });
  for (const secret of [SECRET, SECOND]) expect(verify(secret, got[0] as Got, AT, new Set())).toBe(true);
});

test.each([
  ["", null],
  ["whsec_", null],
  [`whsec_${Buffer.alloc(23).toString("base64")}`, null],
  [`whsec_${Buffer.alloc(65).toString("base64")}`, null],
  ["hunter2-hunter2-hunter2-hunter2", null],
  [Array.from({ length: 6 }, () => SECRET).join(","), null],
  [`${SECRET} ${SECOND}`, 2],
])("the setting %j holds as many secrets: %j", (text, count) => {
  expect(secretsOf(text)?.length ?? null).toBe(count);
});

test.each([
  ["https://siem.example/hook", true],
  ["http://127.0.0.1:9000/", true],
  ["http://localhost/", true],
  ["http://siem.example/hook", false],
  ["https://user:password@siem.example/", false],
  ["ftp://siem.example/", false],
  ["no url", false],
])("the webhook %s may be set: %s", (url, may) => expect(isWebhookUrl(url)).toBe(may));

test("what is not a success is a failure with its status; a redirect is not followed; 410 is final", async () => {
  const elsewhere = await plain();
  for (const status of [400, 401, 404, 429, 500, 503]) {
    const { url } = await plain((_req, res) => void res.writeHead(status).end());
    expect(await sent(url)).toBe(`status_${status}`);
  }
  for (const status of [301, 302, 307, 308]) {
    const { url } = await plain((_req, res) => void res.writeHead(status, { location: elsewhere.url }).end());
    expect(await sent(url)).toBe(`status_${status}`);
  }
  expect(elsewhere.got).toEqual([]);
  const gone = await plain((_req, res) => void res.writeHead(410).end());
  await expect(channelTo(gone.url).send(delivery)).rejects.toMatchObject({ isFinal: true });
});

test("a receiver that never answers, or never ends its answer, is given up; one that floods is cut off", async () => {
  const silent = await plain(() => {});
  expect(await sent(silent.url, { waitMs: 100 })).toBe("timeout");
  const dripping = await plain((_req, res) => void res.writeHead(200).write("x"));
  expect(await sent(dripping.url, { waitMs: 100 })).toBe("timeout");
  let written = 0;
  const flooding = await plain((_req, res) => {
    const more = () => {
      while (!res.destroyed && res.write(Buffer.alloc(65_536))) written += 65_536;
    };
    res.on("drain", more);
    more();
  });
  expect(await sent(flooding.url)).toBe(null);
  expect(written).toBeLessThan(50 * 1024 * 1024);
});

test("threat: a name or an address inside leads nowhere, unless the operator says so", async () => {
  const { got, url } = await plain();
  const { port } = new URL(url);
  for (const host of ["127.0.0.1", "localhost", "[::1]", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]"])
    expect(await sent(`http://${host}:${port}/`, { allowPrivate: false })).toBe("private_address");
  expect(await sent("https://169.254.169.254/latest/meta-data", { allowPrivate: false })).toBe(
    "private_address",
  );
  expect(got).toEqual([]);
  expect(await sent(`http://localhost:${port}/`)).toBe(null);
  expect(await sent("https://no-such-host.invalid/")).toMatch(/^name_unknown$/);
});

test.each([
  ["8.8.8.8", true],
  ["2606:4700::1111", true],
  ["10.1.2.3", false],
  ["172.31.0.1", false],
  ["192.168.1.1", false],
  ["100.64.0.1", false],
  ["169.254.169.254", false],
  ["0.0.0.0", false],
  ["255.255.255.255", false],
  ["224.0.0.1", false],
  ["::", false],
  ["::1", false],
  ["fd00:ec2::254", false],
  ["fe80::1%eth0", false],
  ["::ffff:10.0.0.1", false],
  ["::ffff:8.8.8.8", true],
  ["64:ff9b::a00:1", false],
  ["2002:a00:1::", false],
  ["2001:0:a00:1::", false],
  ["2001:db8::1", false],
  ["nonsense", false],
])("%s is on the public Internet: %s", (address, is) => expect(isPublicAddress(address)).toBe(is));

test("a receiver is known by its certificate: of nobody's, expired, or for another name it gets nothing", async () => {
  const authority = await createTestAuthority();
  const withAuthority = createSecureContext({ ca: authority.ca });
  const tlsReceiver = async (issued: { cert: string; key: string }, host = "127.0.0.1") => {
    const { got, listener } = receiver((_req, res) => void res.writeHead(200).end("ok"));
    const server = createTlsServer(issued, listener);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    open.push(closing(server));
    return { got, url: `https://${host}:${(server.address() as AddressInfo).port}/` };
  };
  const good = await tlsReceiver(await authority.issue());
  expect(await sent(good.url, { secureContext: withAuthority })).toBe(null);
  expect(good.got).toHaveLength(1);
  expect(await sent(good.url)).toBe("certificate_refused");
  const expired = await tlsReceiver(await authority.issue({ notAfter: new Date(Date.now() - 60_000) }));
  expect(await sent(expired.url, { secureContext: withAuthority })).toBe("certificate_refused");
  const other = await tlsReceiver(await authority.issue({ names: ["siem.example"] }));
  expect(await sent(other.url, { secureContext: withAuthority })).toBe("certificate_refused");
  expect([...expired.got, ...other.got]).toEqual([]);
});
