/** At the top of the first page: whose document it is. */
export interface Letterhead {
  readonly name: string;
  readonly lines: readonly string[];
  /** PNG or JPEG. */
  readonly logo: Uint8Array | null;
}

/** What a document is made of, in the order of reading. */
export type Block =
  | { readonly kind: "title" | "heading" | "text" | "note"; readonly text: string }
  | { readonly kind: "field"; readonly label: string; readonly value: string }
  | {
      readonly kind: "entry";
      readonly date: string;
      readonly title: string;
      readonly by: string;
    }
  | { readonly kind: "code"; readonly text: string; readonly words: string };

/** How a document is made. */
export interface DocumentOptions {
  /** In its properties and at the foot of each page; nothing of a patient. */
  readonly title: string;
  readonly madeAt: string;
  readonly letterhead: Letterhead;
  /** Opens it; null: it is not encrypted. */
  readonly password: string | null;
}
