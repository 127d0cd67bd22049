export {
  type DocumentRow,
  decodeDocument,
  encodeDocument,
  LAYOUT_BYTES,
  type SearchDocument,
} from "./document.ts";
export { DocumentRefused, IndexFull } from "./errors.ts";
export { FOLDING_VERSION, fieldText, holdsWords, nameText, searchWords, termText } from "./folding.ts";
export { type PatientSet, SearchIndex } from "./search-index.ts";
export type {
  Hit,
  IndexedPatient,
  IndexedRow,
  PatientSearch,
  Place,
  RowSearch,
} from "./searched.ts";
