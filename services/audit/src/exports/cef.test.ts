import type { AuditEventView } from "@medvault/contracts";
import { expect, test } from "vitest";
import { AWKWARD_TEXTS, awkwardViews, someEnd, view } from "./awkward.testdata.ts";
import { cefEnd, cefLine } from "./cef.ts";

/** Reads a line as receivers do: a header of seven fields, then keys, each up to the next key. */
function parsed(line: string): { header: string[]; fields: Map<string, string> } {
  const [, head = "", rest = ""] = /^((?:(?:[^|\\]|\\.)*\|){7})(.*)\n$/.exec(line) ?? [];
  const header = head.split(/(?<!\\)(?:\\\\)*\|/).slice(0, 7);
  const starts = [...rest.matchAll(/(?:^| )([A-Za-z0-9]+)=/g)];
  const fields = starts.map((at, n): [string, string] => {
    const value = rest.slice(at.index + at[0].length, starts[n + 1]?.index);
    return [at[1] as string, value.replace(/\\([\\=])/g, "$1")];
  });
  return { header, fields: new Map(fields) };
}

const KEYS =
  /^(rt|externalId|cn1(Label)?|src|c6a2(Label)?|suid|suser|spriv|act|outcome|reason|requestClientApplication|deviceProcessName|cs[1-6](Label)?)$/;

test("an entry is one line of CEF with its index, its people and its outcome", () => {
  const one = view();
  const { header, fields } = parsed(cefLine(one));
  expect(header.slice(0, 3)).toEqual(["CEF:0", "MedVault", "audit"]);
  expect(header.slice(4)).toEqual([one.type, "prescription read", "2"]);
  expect(Object.fromEntries(fields)).toMatchObject({
    ...{ rt: String(Date.parse(one.time)), externalId: one.id, cn1Label: "index", cn1: "41", src: one.ip },
    ...{ suid: one.actor?.id, suser: "Anna Weber", spriv: "doctor", act: "prescription:read" },
    ...{ outcome: "success", reason: "assigned", cs1Label: "subject", cs1: "prescription/1" },
  });
  const six = parsed(cefLine(view({ ip: "2001:db8::7" }))).fields;
  expect([six.get("src"), six.get("c6a2")]).toEqual([undefined, "2001:db8::7"]);
});

test("threat: no text of a request begins a line, a field or a header of its own", () => {
  for (const event of awkwardViews()) {
    const line = cefLine(event);
    // One line for every reader, also for those that end lines at more than a line feed.
    expect(line.slice(0, -1), JSON.stringify(event)).not.toMatch(/[\p{Cc}\u2028\u2029]/u);
    const { header, fields } = parsed(line);
    expect(header).toHaveLength(7);
    for (const key of fields.keys()) expect(key, line).toMatch(KEYS);
    expect(fields.get("outcome")).toBe(event.outcome ?? undefined);
    expect(fields.get("src")).toBe(event.ip?.includes(":") ? undefined : (event.ip ?? undefined));
  }
});

test("what is escaped comes back as it was", () => {
  for (const text of AWKWARD_TEXTS) {
    const flat = text.replace(/[\p{Cc}\u2028\u2029]+/gu, " ").trim();
    const read = (of: Partial<AuditEventView>, key: string) =>
      parsed(cefLine(view(of))).fields.get(key) ?? "";
    expect(read({ userAgent: text }, "requestClientApplication"), JSON.stringify(text)).toBe(flat);
    expect(read({ subject: text }, "cs1"), JSON.stringify(text)).toBe(flat);
  }
  const { header } = parsed(cefLine(view({ type: "medvault.a|b\\.c=d\n.read.v1" })));
  expect(header[4]).toBe("medvault.a\\|b\\\\.c=d .read.v1");
});

test("its end is a line too, with the checkpoint's own lines in one", () => {
  const { fields } = parsed(cefEnd(someEnd()));
  expect(fields.get("cs3")?.split("\\n")).toEqual(someEnd().checkpoint?.trimEnd().split("\n"));
  expect(fields.get("cs4")).toBe(someEnd().proof);
});
