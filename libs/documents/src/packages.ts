// What we use of packages that bring no types, with the types of what we use.
import { createRequire } from "node:module";
import type { Readable } from "node:stream";

export interface Glyph {
  readonly id: number;
  readonly advanceWidth: number;
  readonly codePoints: readonly number[];
  /** Of face.ts. */
  readonly shownAs?: number;
}

interface GlyphRun {
  readonly glyphs: readonly Glyph[];
  readonly positions: readonly Readonly<Record<"xAdvance" | "yAdvance" | "xOffset" | "yOffset", number>>[];
  readonly advanceWidth: number;
}

export interface GlyphPath {
  readonly commands: readonly { readonly command: string; readonly args: readonly number[] }[];
}

export interface FontSubset {
  readonly glyphs: number[];
  glyphEncoder: { encodeSimple(path: GlyphPath): Uint8Array };
  includeGlyph(glyph: number): number;
}

export interface Font {
  readonly unitsPerEm: number;
  readonly variationAxes: Readonly<Record<string, { default: number }>>;
  getGlyph(id: number, letters?: readonly number[]): Glyph;
  hasGlyphForCodePoint(codePoint: number): boolean;
  getVariation(settings: Readonly<Record<string, number>>): Font;
  layout(
    text: string,
    features?: readonly string[],
    script?: string,
    language?: string,
    direction?: "ltr" | "rtl",
  ): GlyphRun;
  createSubset(): FontSubset;
}

interface Bidi {
  getEmbeddingLevels(
    text: string,
    base: "ltr" | "rtl" | "auto",
  ): { readonly levels: Uint8Array; readonly paragraphs: readonly { readonly level: number }[] };
  getMirroredCharacter(character: string): string | null;
}

interface LineBreaker {
  nextBreak(): { readonly position: number } | null;
}

/** An encryption as pdfkit keeps it. */
export interface Encryption {
  readonly encryptionKey: Uint8Array;
  readonly dictionary: { readonly data: Record<string, unknown> };
}

export interface Pdf extends Readable {
  /** Null where it is not encrypted. */
  readonly _security: Encryption | null;
  readonly page: { readonly width: number; readonly height: number };
  addPage(): this;
  registerFont(name: string, font: object): this;
  font(name: string): this;
  fontSize(size: number): this;
  fillColor(color: string): this;
  text(
    text: string,
    x: number,
    y: number,
    options: { lineBreak: boolean; features: readonly string[]; baseline: "alphabetic" },
  ): this;
  markContent(tag: string, options: { actual: string }): this;
  endMarkedContent(): this;
  image(bytes: Uint8Array, x: number, y: number, options: { fit: [number, number] }): this;
  rect(x: number, y: number, width: number, height: number): this;
  moveTo(x: number, y: number): this;
  lineTo(x: number, y: number): this;
  lineWidth(width: number): this;
  strokeColor(color: string): this;
  stroke(): this;
  fill(color: string): this;
  end(): void;
}

const require = createRequire(import.meta.url);
const fontkit = require("fontkit") as { create(file: Uint8Array): Font };
const bidiFactory = require("bidi-js") as () => Bidi;

export const openFont = (file: Uint8Array): Font => fontkit.create(file);
export const bidi = bidiFactory();
export const LineBreaker = require("linebreak") as new (text: string) => LineBreaker;
export const PDFDocument = require("pdfkit") as new (options: Readonly<Record<string, unknown>>) => Pdf;
