import { isStoredEnding, type Kind, kindOf, type Rule, type Sample, textKind } from "./content.ts";

/** Endings that an operator has stored besides those of `content.ts`, each with its type. */
export type AddedTypes = ReadonlyMap<string, string>;

/** In the place of an ending: every other one, whose content is nobody's to judge. */
const ANY_OTHER = "*";
const UNKNOWN_TYPE = "application/octet-stream";

/** What a double click runs, or a browser or an office program does; never stored. */
const PROGRAMS = new Set(
  [
    "app bat chm cmd com cpl dll exe hta htm html inf jar js jse lnk mjs msi msp pif ps1 py reg scr sh svg",
    "url vb vbe vbs wsf wsh xhtml xht docm dotm xlsm xlam xltm pptm potm ppsm",
  ]
    .join(" ")
    .split(" "),
);
/** PE, ELF, Mach-O in either order, Java, a script's first line; a page that a browser runs. */
const PROGRAM = /^(?:MZ|\x7fELF|\xfe\xed\xfa[\xce\xcf]|[\xce\xcf]\xfa\xed\xfe|\xca\xfe\xba\xbe|#!)/;
const PAGE = /<(?:!doctype\s+html|html|head|body|script|svg|iframe)\b/i;

const RUNS: Rule = {
  code: "program",
  message: "is a program, a script or a web page, which is not stored. Send a document or an image of it",
};

/**
 * Reads a setting such as `edf=application/edf,hl7=text/plain,*=application/octet-stream`. Throws
 * an Error whose message says which part is wrong.
 */
export function addedTypes(setting: string): AddedTypes {
  const parts = setting.split(",").map((part) => part.trim());
  const pairs = parts.filter(Boolean).map((part, at): [string, string] => {
    const [, ending = "", type = ""] = /^([a-z0-9]{1,16}|\*)=([a-z]+\/[a-z0-9.+-]{1,100})$/.exec(part) ?? [];
    if (ending === "") throw new Error(`part ${at + 1} is no ending=type such as edf=application/edf`);
    if (PROGRAMS.has(ending)) throw new Error(`${ending} files are programs or web pages`);
    if (isStoredEnding(ending)) throw new Error(`${ending} files are stored already`);
    if (ending === ANY_OTHER && type !== UNKNOWN_TYPE) throw new Error(`* can be ${UNKNOWN_TYPE} only`);
    return [ending, type];
  });
  return new Map(pairs);
}

/**
 * The kind that an ending names, the operator's endings last; or null. What they add is a download
 * and never shown in place; text is checked to be text, all else only not to be a program.
 */
export function kindAmong(added: AddedTypes, ending: string, declaredType: string): Kind | null {
  const known = kindOf(ending, declaredType);
  if (known || ending === "") return known;
  const type = added.get(ending);
  if (type?.startsWith("text/")) return textKind(type);
  if (type !== undefined) return { contentType: type, declared: [type], inline: false, broken: brokenIfRun };
  if (!added.has(ANY_OTHER) || PROGRAMS.has(ending)) return null;
  const declared = [declaredType.toLowerCase()]; // whatever it is said to be
  return { contentType: UNKNOWN_TYPE, declared, inline: false, broken: brokenIfRun };
}

function brokenIfRun({ head }: Sample): Rule | null {
  const start = head.toString("latin1");
  return PROGRAM.test(start) || PAGE.test(start.slice(0, 1024)) ? RUNS : null;
}
