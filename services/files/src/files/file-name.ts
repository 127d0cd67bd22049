/** The file systems that clinics use stop at 255 bytes a name (ext4, NTFS, APFS). */
const MAX_NAME_BYTES = 255;

/** Windows opens these devices, with any extension (learn.microsoft.com, "Naming Files"). */
const WINDOWS_DEVICE = /^(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\.|$)/i;

/**
 * Reads a name of one character a byte: UTF-8, as browsers write it (WHATWG HTML, 4.10.21.8), else
 * Windows-1252, as older clients do. What is no such name was decoded already (`filename*`).
 */
export function decodedName(name: string): string {
  const bytes = Buffer.from(name, "latin1");
  if (bytes.toString("latin1") !== name) return name;
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return new TextDecoder("windows-1252").decode(bytes);
  }
}

/**
 * Makes a client's file name safe to show and save on any system: NFC, the last path segment only,
 * no control, bidi or zero-width characters (but the joiners of scripts and emoji, inside of it),
 * none with a meaning for shells or Windows, at most 255 bytes of UTF-8 with the extension kept.
 * Returns "" when nothing is left.
 */
export function safeFileName(given: string): string {
  const name = (given.normalize("NFC").split(/[/\\]/).at(-1) ?? "")
    // Cc control, Cf format (bidi, zero-width, tags), Co private use, Cs surrogates, Zl/Zp breaks
    .replace(/(?![\u200c\u200d])[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}]/gu, "")
    .replace(/\p{Zs}+/gu, " ")
    .replace(/[<>:"|?*]/g, "_")
    .replace(/^[ .\u200c\u200d]+|[ .\u200c\u200d]+$/g, "");
  if (name === "") return "";
  return shorten(name.startsWith("-") || WINDOWS_DEVICE.test(name) ? `_${name}` : name);
}

/** The extension in lower case without its dot, or "" when the name has none. */
export function extensionOf(name: string): string {
  const dot = name.lastIndexOf(".");
  return dot > 0 ? name.slice(dot + 1).toLowerCase() : "";
}

/** Cuts the stem between characters to make room; over 16 bytes, an extension is stem too. */
function shorten(name: string): string {
  if (Buffer.byteLength(name) <= MAX_NAME_BYTES) return name;
  const dot = name.lastIndexOf(".");
  const keptExtension = dot > 0 && Buffer.byteLength(name.slice(dot)) <= 16 ? name.slice(dot) : "";
  const room = MAX_NAME_BYTES - Buffer.byteLength(keptExtension);
  let stem = "";
  let bytes = 0;
  for (const character of name.slice(0, name.length - keptExtension.length)) {
    bytes += Buffer.byteLength(character);
    if (bytes > room) break;
    stem += character;
  }
  return stem.replace(/[ .\u200c\u200d]+$/, "") + keptExtension;
}

/**
 * `Content-Disposition` of RFC 6266: an ASCII `filename` for old clients, and `filename*` of RFC
 * 8187 for other characters. `safeFileName` made the name: it holds no quote or line break.
 */
export function contentDisposition(type: "attachment" | "inline", name: string): string {
  const ascii = name.replace(/[^\x20-\x7e]/g, "_").replace(/[%\\"]/g, "_");
  const encoded = encodeURIComponent(name).replace(
    /['()*]/g,
    (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  const extended = ascii === name ? "" : `; filename*=UTF-8''${encoded}`;
  return `${type}; filename="${ascii}"${extended}`;
}
