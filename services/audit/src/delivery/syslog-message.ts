import type { Delivery } from "./delivery.ts";

/** "Log audit" (RFC 5424, table 1). */
const FACILITY = 13;
const SEVERITIES: Readonly<Record<string, number>> = { critical: 2, high: 3, medium: 4, low: 5 };
const NOTICE = 5;
/** The number for examples (RFC 5612): we have none, and receivers tell ours by its name. */
const ELEMENT = "medvaultAlert@32473";
const HEADER_MAX = { host: 255, proc: 128 };

/** The message of an alert (RFC 5424, section 6), ASCII but for its text. */
export function syslogMessage(
  { id, change, notice, createdAt }: Delivery,
  sender: { host: string; pid: number },
): string {
  const priority = FACILITY * 8 + (change === "test" ? NOTICE : (SEVERITIES[notice.severity] ?? NOTICE));
  const head = [
    `<${priority}>1`,
    createdAt.toISOString(),
    printable(sender.host, HEADER_MAX.host),
    "medvault-audit",
    printable(String(sender.pid), HEADER_MAX.proc),
    `alert-${change}`,
  ];
  const { rule, severity, state, openedAt, lastAt, count } = notice;
  const values = { delivery: id, alert: notice.id, rule, severity, state, openedAt, lastAt, count };
  const params = Object.entries(values).map(([name, value]) => `${name}="${escaped(String(value))}"`);
  const text = change === "test" ? "A test: nothing happened." : `MedVault alert ${rule}: ${notice.whatToDo}`;
  return `${head.join(" ")} [${ELEMENT} ${params.join(" ")}] \uFEFF${oneLine(text)}`;
}

/** The frame of TLS transport (RFC 5425, 4.3): the length in octets, a space, the message. */
export function framed(message: string): Buffer {
  const bytes = Buffer.from(message, "utf8");
  return Buffer.concat([Buffer.from(`${bytes.length} `, "ascii"), bytes]);
}

/** PRINTUSASCII, or `-` where nothing is left. */
const printable = (text: string, max: number) => text.replace(/[^\x21-\x7e]/g, "").slice(0, max) || "-";
/** PARAM-VALUE: quote, backslash and bracket are escaped. */
const escaped = (text: string) => oneLine(text).replace(/["\\\]]/g, "\\$&");
const oneLine = (text: string) => text.replace(/\p{Cc}+/gu, " ");
