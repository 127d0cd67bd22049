const [TAB, LF, CR, SO, SI, FS, ESC, SUB, DEL] = [9, 10, 13, 14, 15, 0x1c, 0x1b, 0x1a, 0x7f];

/** After ESC: sets, shifts and UTF-8 of ISO 2022 (ECMA-35, 13; RFC 1468; PS3.3 C.12.1.1.2). */
const ISO_2022 = /^(?:\$[@AB]|\$[()*+\-./][0-~]|[()*+\-./][0-~]|[NOno|}~]|%[@G])/;
const ISO_2022_BEGIN = /^(?:|\$[()*+\-./]?|[()*+\-./]|%)$/;

/** Text that a viewer runs or renders as more than text, by more than its first letters. */
const ACTIVE = /^(?:%!PS(?:-Adobe-|\s*[\r\n])|<\?xml\s|\{\\rtf\d|REGEDIT4\s|Windows Registry Editor )/;

/**
 * Says, chunk by chunk, whether bytes are text: any superset of ASCII (UTF-8, Latin-1, ISO 2022)
 * or UTF-16 with a byte order mark. Of the control characters it takes those that clinics' systems
 * write: tab, line ends, VT and FF; the escapes of ISO 2022, with its SO and SI; FS, which ends an
 * HL7 message; and DOS' end of file as the last. NUL is part of UTF-16 alone.
 */
export class TextScan {
  #text = true;
  /** The first two bytes, until they say whether units of two bytes follow, and in which order. */
  #start: number[] | null = [];
  #order: "one byte" | "little" | "big" = "one byte";
  #half: number | null = null;
  #highSurrogate = false;
  /** What came after an ESC, or null outside of an escape. */
  #escape: string | null = null;
  #iso2022 = false;
  #ended = false;

  push(chunk: Buffer): void {
    for (let i = 0; this.#text && i < chunk.length; i++) {
      const byte = chunk[i] ?? 0;
      if (this.#start) this.#begin(byte, this.#start);
      else if (this.#order !== "one byte") this.#byte(byte);
      // Most are plain: no call for each of 16 MiB of them.
      else if (byte < 0x20 || byte === DEL || this.#escape !== null || this.#ended) this.#unit(byte);
    }
  }

  /** True when all that was pushed is text, and ends between characters. */
  isText(): boolean {
    for (const byte of this.#start?.splice(0) ?? []) this.#byte(byte);
    return this.#text && this.#half === null && !this.#highSurrogate && this.#escape === null;
  }

  #begin(byte: number, start: number[]): void {
    start.push(byte);
    if (start.length < 2) return;
    this.#start = null;
    const mark = start.map((at) => at.toString(16)).join("");
    if (mark === "fffe") this.#order = "little";
    else if (mark === "feff") this.#order = "big";
    else for (const early of start) this.#byte(early);
  }

  #byte(byte: number): void {
    if (this.#order === "one byte") this.#unit(byte);
    else if (this.#half === null) this.#half = byte;
    else this.#pair(this.#half, byte, this.#order);
  }

  #pair(first: number, second: number, order: "little" | "big"): void {
    const unit = order === "little" ? first | (second << 8) : (first << 8) | second;
    this.#half = null;
    if (this.#highSurrogate !== (unit >= 0xdc00 && unit <= 0xdfff)) this.#text = false;
    this.#highSurrogate = unit >= 0xd800 && unit <= 0xdbff;
    this.#unit(unit);
  }

  #unit(unit: number): void {
    if (this.#ended && unit !== SUB) this.#text = false;
    else if (this.#escape !== null) this.#inEscape(unit, this.#escape);
    else if (unit >= 0x20 ? unit === DEL : !this.#mayControl(unit)) this.#text = false;
  }

  #mayControl(unit: number): boolean {
    if (unit === ESC) this.#escape = "";
    if (unit === SUB) this.#ended = true;
    if (unit === SO || unit === SI) return this.#iso2022;
    return unit === TAB || (unit >= LF && unit <= CR) || unit === FS || unit === ESC || unit === SUB;
  }

  #inEscape(unit: number, before: string): void {
    const sequence = before + String.fromCharCode(unit);
    const whole = ISO_2022.test(sequence);
    this.#escape = whole ? null : sequence;
    if (whole) this.#iso2022 = true;
    else if (!ISO_2022_BEGIN.test(sequence)) this.#text = false;
  }
}

/** True when a text begins as a PostScript, XML, RTF or registry file does. */
export function isActiveText(head: Buffer): boolean {
  const mark = head.toString("hex", 0, 2);
  const encoding = mark === "fffe" ? "utf-16le" : mark === "feff" ? "utf-16be" : "utf-8";
  return ACTIVE.test(new TextDecoder(encoding).decode(head.subarray(0, 128)));
}
