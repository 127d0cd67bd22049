/** A part of a body: first byte and one past the last, counted from 0. */
export interface ByteRange {
  start: number;
  end: number;
}

/**
 * Reads a `Range` header for a body of `size` bytes (RFC 9110, 14.1 to 14.2). Null: send it all (no
 * header, another unit, a malformed value, or several ranges: a server may ignore those).
 * "unsatisfiable": 416, well-formed but beyond the end.
 */
export function parseRange(header: string | undefined, size: number): ByteRange | null | "unsatisfiable" {
  const match = /^bytes=\s*(\d{0,40})-(\d{0,40})\s*$/i.exec(header ?? "");
  if (!match) return null;
  const [first = "", last = ""] = match.slice(1);
  if (first === "" && last === "") return null;
  if (first === "") {
    const suffix = Math.min(Number(last), size);
    return suffix === 0 ? "unsatisfiable" : { start: size - suffix, end: size };
  }
  const start = Number(first);
  if (last !== "" && Number(last) < start) return null;
  if (start >= size) return "unsatisfiable";
  return { start, end: last === "" ? size : Math.min(Number(last) + 1, size) };
}
