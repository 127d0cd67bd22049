/** What was to be put into the index would make it larger than it may be. Nothing of it was put. */
export class IndexFull extends Error {
  override readonly name = "IndexFull";
  readonly code = "index_full";

  constructor() {
    super("the search index has reached its limit of memory");
  }
}

/** Bytes that are no search document, or a value that none can hold. */
export class DocumentRefused extends Error {
  override readonly name = "DocumentRefused";
  readonly code = "document_refused";

  constructor(why: string) {
    super(`not a search document: ${why}`);
  }
}
