import type { AddressInfo, Socket } from "node:net";
import { createSecureContext, createServer, type TLSSocket, type TlsOptions } from "node:tls";
import { createTestAuthority, type TestAuthority } from "@medvault/testing";
import { afterEach, beforeAll, expect, test } from "vitest";
import { DeliveryFailed } from "./delivery.errors.ts";
import type { Delivery } from "./delivery.ts";
import { syslogChannel } from "./syslog.client.ts";
import { framed, syslogMessage } from "./syslog-message.ts";

let authority: TestAuthority;
beforeAll(async () => {
  authority = await createTestAuthority();
});
const open: { close(): unknown }[] = [];
afterEach(() => {
  for (const each of open.splice(0)) each.close();
});

const AT = new Date("2026-11-28T10:00:00.123Z");
const delivery: Delivery = {
  id: "019ad000-0000-7000-8000-000000000001",
  change: "opened",
  createdAt: AT,
  notice: {
    ...{ id: "019ad000-0000-7000-8000-000000000002", rule: "denials", severity: "high", state: "open" },
    ...{ openedAt: AT.toISOString(), lastAt: AT.toISOString(), count: 3, whatToDo: "Ask “them” why." },
    events: [],
  },
};

/** A receiver of RFC 5425: it reads frames, and closes when its sender does. */
async function receiver(
  options: TlsOptions = {},
  onSocket: (socket: TLSSocket, under: Socket | undefined) => void = () => {},
) {
  const under: Socket[] = [];
  const messages: string[] = [];
  const server = createServer({ ...(await authority.issue()), ...options }, (socket) => {
    let bytes = Buffer.alloc(0);
    socket.on("error", () => {});
    socket.on("data", (piece: Buffer) => {
      bytes = Buffer.concat([bytes, piece]);
      for (;;) {
        const [, length] = /^([1-9]\d*) /.exec(bytes.subarray(0, 12).toString("latin1")) ?? [];
        if (!length || bytes.length < length.length + 1 + Number(length)) return;
        const end = length.length + 1 + Number(length);
        messages.push(bytes.subarray(length.length + 1, end).toString("utf8"));
        bytes = bytes.subarray(end);
      }
    });
    onSocket(socket, under.at(-1));
  });
  server.on("connection", (socket) => under.push(socket));
  server.on("tlsClientError", () => {});
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  open.push({ close: () => server.close() });
  return { messages, url: `tls://127.0.0.1:${(server.address() as AddressInfo).port}` };
}
const trusting = () => createSecureContext({ ca: authority.ca });
/** The reason of its failure; null: it was taken. */
const sent = (url: string, secureContext = trusting(), waitMs?: number) =>
  syslogChannel({ url, secureContext, ...(waitMs ? { waitMs } : {}) })
    .send(delivery)
    .then(
      () => null,
      (error: unknown) => (error instanceof DeliveryFailed ? error.reason : error),
    );

/** RFC 5424, section 6: PRI VERSION TIMESTAMP HOSTNAME APP-NAME PROCID MSGID SD BOM MSG. */
const GRAMMAR =
  /^<(\d{1,3})>1 (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{1,6}Z) ([\x21-\x7e]{1,255}) ([\x21-\x7e]{1,48}) ([\x21-\x7e]{1,128}) ([\x21-\x7e]{1,32}) (\[[^ =\]"]{1,32}(?: [^ =\]"]{1,32}="(?:[^"\\\]]|\\["\\\]])*")*\]) \uFEFF(.+)$/u;

test("an alert comes as RFC 5424 in a frame, with its facts as structured data", async () => {
  const { messages, url } = await receiver();
  expect(await sent(url)).toBe(null);
  expect(messages).toHaveLength(1);
  const [, priority, time, , app, , kind, data, text] = GRAMMAR.exec(messages[0] ?? "") ?? [];
  expect([priority, time, app, kind]).toEqual(["107", AT.toISOString(), "medvault-audit", "alert-opened"]);
  expect(data).toContain(`alert="${delivery.notice.id}"`);
  expect(data).toContain(`delivery="${delivery.id}"`);
  expect(data).toContain('rule="denials" severity="high"');
  expect(text).toBe("MedVault alert denials: Ask “them” why.");
});

test("what would break out of a message or a value does not", () => {
  const bad = { ...delivery.notice, rule: 'a"] [x y="\\', whatToDo: "one\n<0>1 two\u0000" };
  const message = syslogMessage({ ...delivery, notice: bad }, { host: "", pid: 1 });
  const [, , , host, , , , data, text] = GRAMMAR.exec(message) ?? [];
  expect(host).toBe("-");
  expect(data).toContain(String.raw`rule="a\"\] [x y=\"\\"`);
  expect(text).toBe(`MedVault alert a"] [x y="\\: one <0>1 two `);
  const octets = framed("“x”");
  expect(octets.toString("utf8")).toBe("7 “x”");
});

test.each([
  ["critical", 106],
  ["high", 107],
  ["medium", 108],
  ["low", 109],
])("the severity %s is the priority %d", (severity, priority) => {
  const message = syslogMessage(
    { ...delivery, notice: { ...delivery.notice, severity } },
    { host: "h", pid: 1 },
  );
  expect(message.startsWith(`<${priority}>1 `)).toBe(true);
});

test("a receiver is known by its certificate, and may ask for ours", async () => {
  const { messages, url } = await receiver();
  expect(await sent(url, createSecureContext())).toBe("certificate_refused");
  const stranger = await receiver(await authority.issue({ names: ["log.example"] }));
  expect(await sent(stranger.url)).toBe("certificate_refused");
  const asking = await receiver({ ca: authority.ca, requestCert: true, rejectUnauthorized: true });
  expect(await sent(asking.url)).not.toBe(null);
  expect([...messages, ...stranger.messages, ...asking.messages]).toEqual([]);
  const own = await authority.issue({ good: "for clients" });
  expect(await sent(asking.url, createSecureContext({ ca: authority.ca, ...own }))).toBe(null);
  expect(asking.messages).toHaveLength(1);
});

test("one that is away, falls in the middle or never closes has not taken it", async () => {
  expect(await sent("tls://127.0.0.1:1")).toBe("connection_refused");
  const falling = await receiver({}, (socket, under) => {
    socket.once("data", () => under?.resetAndDestroy());
  });
  expect(await sent(falling.url)).toBe("connection_failed");
  const hanging = await receiver({ allowHalfOpen: true } as TlsOptions);
  expect(await sent(hanging.url, trusting(), 200)).toBe("timeout");
});
