import fs from "node:fs";

/**
 * The parsed content of a JSON file, or null when it is missing, unreadable or half-written.
 * @template T
 * @param {string} file
 * @returns {T | null}
 */
export function readJson(file) {
  try {
    return JSON.parse(fs.readFileSync(file, "utf8"));
  } catch {
    return null;
  }
}
