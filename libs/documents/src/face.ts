import { type Font, type FontSubset, type Glyph, type GlyphPath, openFont } from "./packages.ts";
import { fromWoff2, glyphOf, type Point, paddingOf } from "./woff2.ts";

const MAX_REMEMBERED = 4_000;

/** Above every glyph of a font: of these each stands for a glyph and the letters that it shows. */
const FIRST_SHOWN = 0x10000;

interface Shaped {
  readonly glyphs: readonly Glyph[];
  /** xAdvance, yAdvance, xOffset, yOffset of each glyph. */
  readonly places: readonly (readonly [number, number, number, number])[];
  readonly advance: number;
}

/** One font file in one weight: measures text, and is what pdfkit draws with. */
export class Face {
  /** Given to pdfkit as a font. */
  readonly font: Font;
  readonly #font: Font;
  readonly #shaped = new Map<string, Shaped>();
  /** The glyphs that show letters, and their numbers by glyph and letters. */
  readonly #shown: number[] = [];
  readonly #numbers = new Map<string, number>();
  /** How the next text that pdfkit lays out is written. */
  #isRightToLeft = false;

  /** Throws TypeError for what is no font. */
  constructor(name: string, file: Buffer, weight: number) {
    const whole = openFont(fromWoff2(file));
    const isSo = whole.variationAxes.wght?.default === weight;
    this.#font = isSo ? whole : whole.getVariation({ wght: weight });
    this.#font.getGlyph = this.#glyphs(this.#font.getGlyph.bind(this.#font));
    this.font = this.#forPdfkit(`${name}-${weight}`);
  }

  has(codePoint: number): boolean {
    return this.#font.hasGlyphForCodePoint(codePoint);
  }

  /** How wide a text of one direction is, per unit of its size. */
  width(text: string, isRightToLeft: boolean): number {
    return this.#shape(text, isRightToLeft).advance / this.#font.unitsPerEm;
  }

  /** In which direction the next text is written that pdfkit lays out. */
  towards(isRightToLeft: boolean): void {
    this.#isRightToLeft = isRightToLeft;
  }

  #shape(text: string, isRightToLeft: boolean): Shaped {
    const key = isRightToLeft ? `<${text}` : `>${text}`;
    const known = this.#shaped.get(key);
    if (known) return known;
    const direction = isRightToLeft ? "rtl" : "ltr";
    const run = this.#font.layout(text, undefined, undefined, undefined, direction);
    const shaped: Shaped = {
      glyphs: run.glyphs.map((glyph) => {
        const { id, shownAs = id, advanceWidth, codePoints } = glyph;
        return { id: shownAs, advanceWidth, codePoints };
      }),
      places: run.positions.map((at) => [at.xAdvance, at.yAdvance, at.xOffset, at.yOffset]),
      advance: run.advanceWidth,
    };
    if (this.#shaped.size >= MAX_REMEMBERED) this.#shaped.clear();
    this.#shaped.set(key, shaped);
    return shaped;
  }

  /**
   * Fonts draw several letters with one glyph (Arabic ones without their dots), and fontkit keeps
   * the letters that it showed first. Here each has its own: what is copied is what was said.
   */
  #glyphs(glyphOf: Font["getGlyph"]): Font["getGlyph"] {
    return (id, letters = []) => {
      const glyph = glyphOf(id);
      if (letters.length === 0) return glyph;
      const key = `${id} ${letters}`;
      let number = this.#numbers.get(key);
      if (number === undefined) {
        number = FIRST_SHOWN + this.#shown.push(id) - 1;
        this.#numbers.set(key, number);
      }
      return Object.create(glyph, { codePoints: { value: letters }, shownAs: { value: number } });
    };
  }

  /**
   * pdfkit changes the positions that it gets, tells fonts apart by their names, and has no word
   * for a direction. Outlines that vary are encoded here, where fontkit's own encoder fails.
   */
  #forPdfkit(name: string): Font {
    const font = Object.create(this.#font) as Font;
    const layout = (text: string) => {
      const { glyphs, places, advance } = this.#shape(text, this.#isRightToLeft);
      const positions = places.map(([xAdvance, yAdvance, xOffset, yOffset]) => ({
        ...{ xAdvance, yAdvance, xOffset, yOffset },
      }));
      return { glyphs, positions, advanceWidth: advance };
    };
    const createSubset = (): FontSubset => {
      const subset = this.#font.createSubset();
      const include = subset.includeGlyph.bind(subset);
      const included = new Map<number, number>();
      subset.glyphEncoder = { encodeSimple: encoded };
      subset.includeGlyph = (number) => {
        const glyph = this.#shown[number - FIRST_SHOWN];
        if (glyph === undefined) return include(number);
        const place = included.get(number) ?? subset.glyphs.push(glyph) - 1;
        included.set(number, place);
        return place;
      };
      return subset;
    };
    return Object.defineProperties(font, {
      layout: { value: layout },
      createSubset: { value: createSubset },
      postscriptName: { value: name },
    });
  }
}

function encoded({ commands }: GlyphPath): Uint8Array {
  const ends: number[] = [];
  const outline: Point[] = [];
  for (const { command, args } of commands) {
    if (command === "closePath") ends.push(outline.length - 1);
    for (let at = 0; at + 1 < args.length; at += 2) {
      const isOn = command !== "quadraticCurveTo" || at === 2;
      outline.push({ x: Math.round(args[at] ?? 0), y: Math.round(args[at + 1] ?? 0), isOn });
    }
  }
  const glyph = glyphOf(ends, outline, Buffer.alloc(0), null);
  return Buffer.concat([glyph, Buffer.alloc(paddingOf(glyph))]);
}
