import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { Face } from "./face.ts";

const resolve = createRequire(import.meta.url).resolve;
const PACKAGE = "@fontsource-variable/";

/** Where letters are looked for, in this order. Han letters first where the text is from. */
const ALPHABETS = [
  "noto-sans",
  "noto-sans-arabic",
  "noto-sans-hebrew",
  "noto-sans-devanagari",
  "noto-sans-thai",
];
const HAN = { japanese: "noto-sans-jp", korean: "noto-sans-kr", chinese: "noto-sans-sc" } as const;
export type HanStyle = keyof typeof HAN;

interface File {
  readonly name: string;
  readonly path: string;
  readonly ranges: readonly (readonly [number, number])[];
}

/** The fonts, each file of which is opened when a letter of it is needed. */
export class FontBook {
  readonly #families = new Map<string, File[]>();
  readonly #faces = new Map<string, Face>();
  readonly #chosen = new Map<string, Face | null>();

  /** The face that has this letter in a text of this style, or null where none has it. */
  faceFor(codePoint: number, weight: number, han: HanStyle): Face | null {
    const key = `${codePoint} ${weight} ${han}`;
    let face = this.#chosen.get(key);
    if (face === undefined) {
      face = this.#find(codePoint, weight, han);
      this.#chosen.set(key, face);
    }
    return face;
  }

  #find(codePoint: number, weight: number, han: HanStyle): Face | null {
    for (const family of new Set([...ALPHABETS, HAN[han], ...Object.values(HAN)])) {
      for (const file of this.#filesOf(family)) {
        if (!file.ranges.some(([from, to]) => codePoint >= from && codePoint <= to)) continue;
        const face = this.#open(file, weight);
        if (face.has(codePoint)) return face;
      }
    }
    return null;
  }

  #open(file: File, weight: number): Face {
    const key = `${file.name} ${weight}`;
    let face = this.#faces.get(key);
    if (!face) {
      face = new Face(file.name, readFileSync(file.path), weight);
      this.#faces.set(key, face);
    }
    return face;
  }

  #filesOf(family: string): File[] {
    let files = this.#families.get(family);
    if (!files) {
      const list = resolve(`${PACKAGE}${family}/unicode.json`);
      const ranges = JSON.parse(readFileSync(list, "utf8")) as Record<string, string>;
      files = Object.entries(ranges).map(([part, text]) => {
        const name = `${family}-${part.replace(/[[\]]/g, "")}`;
        const file = path.join(path.dirname(list), "files", `${name}-wght-normal.woff2`);
        return { name, path: file, ranges: rangesOf(text) };
      });
      this.#families.set(family, files);
    }
    return files;
  }
}

/** `U+4-5,U+9` as numbers. */
function rangesOf(text: string): [number, number][] {
  return text.split(",").map((range) => {
    const [from = "", to = from] = range.replace("U+", "").split("-");
    return [Number.parseInt(from, 16), Number.parseInt(to, 16)];
  });
}
