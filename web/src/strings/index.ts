import { en, type Strings } from "./en";

/** Translations, by the first part of a language's tag. */
const tables: Record<string, Strings> = { en };

const languages = typeof navigator === "undefined" ? [] : navigator.languages;
const chosen = languages.map((tag) => tables[tag.split("-")[0] ?? ""]).find((table) => table !== undefined);

/** The texts of the visitor's language, or in English. */
export const t: Strings = chosen ?? en;
