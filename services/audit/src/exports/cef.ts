import type { AuditEventView } from "@medvault/contracts";
import { VERSION } from "@medvault/service-kit";
import type { ExportEnd } from "./format.ts";
import { oneLine } from "./text.ts";

/** ArcSight Common Event Format, revision 25. Severity 0 to 10. */
const SEVERITIES = { success: 2, failure: 4, denied: 6 } as const;
const DAMAGED_SEVERITY = 9;

type Value = string | number | null;

/** In the header a backslash and a pipe are escaped, in the extension a backslash and an equals. */
const inHeader = (text: string): string => (oneLine(text) ?? "").replace(/[\\|]/g, "\\$&");
/** A value never ends its line (whatever could is a space), and begins no field of its own. */
const inExtension = (value: string | number): string =>
  (oneLine(String(value)) ?? "").replace(/[\\=]/g, "\\$&");

function cef(
  classId: string,
  name: string,
  severity: number,
  extension: Readonly<Record<string, Value>>,
): string {
  const header = ["CEF:0", "MedVault", "audit", VERSION, classId, name, String(severity)];
  const fields = Object.entries(extension).flatMap(([key, value]) => {
    const text = value === null ? "" : inExtension(value);
    return text === "" ? [] : [`${key}=${text}`];
  });
  return `${header.map(inHeader).join("|")}|${fields.join(" ")}\n`;
}

/** An entry as one line of CEF. */
export function cefLine(event: AuditEventView): string {
  const { ip, outcome, actor } = event;
  const severity = outcome ? SEVERITIES[outcome] : DAMAGED_SEVERITY;
  const name = event.damaged ? "damaged entry" : event.type.split(".").slice(2, -1).join(" ");
  return cef(event.type, name, severity, {
    rt: Date.parse(event.time),
    externalId: event.id,
    cn1Label: "index",
    cn1: event.index,
    ...addressOf(ip),
    suid: actor?.id ?? null,
    suser: actor?.name ?? null,
    spriv: actor?.role ?? null,
    act: event.action,
    outcome,
    reason: event.decision?.reason ?? null,
    requestClientApplication: event.userAgent,
    deviceProcessName: event.producer,
    ...labelled(1, "subject", event.subject),
    ...labelled(2, "patientIds", event.patientIds.join(" ")),
    ...labelled(3, "requestId", event.requestId),
    ...labelled(4, "purpose", event.purpose),
    ...labelled(5, "sessionId", actor?.sessionId ?? null),
    ...labelled(6, "fields", event.fields.join(" ")),
  });
}

/** Where the export ended, as an event of its own. */
export function cefEnd({ first, end, count, time, checkpoint, proof }: ExportEnd): string {
  const lines = checkpoint?.trimEnd().split("\n").join("\\n") ?? null;
  return cef("medvault.audit.export.end", "export end", 1, {
    rt: time.getTime(),
    cnt: count,
    ...labelled(1, "first", String(first)),
    ...labelled(2, "end", String(end)),
    ...labelled(3, "checkpoint", lines),
    ...labelled(4, "proof", proof),
  });
}

function addressOf(ip: string | null): Record<string, Value> {
  if (ip === null || !ip.includes(":")) return { src: ip };
  return { c6a2Label: "Source IPv6 Address", c6a2: ip };
}

const labelled = (n: number, label: string, value: string | null): Record<string, Value> =>
  value ? { [`cs${n}Label`]: label, [`cs${n}`]: value } : {};
