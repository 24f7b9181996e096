// Every language there is. The build packs what this module gives (`build.mjs`): names once, texts as one line a language.

import { ar } from "./ar";
import { de } from "./de";
import { en } from "./en";
import { es } from "./es";
import { fr } from "./fr";
import { he } from "./he";
import { it } from "./it";
import { ja } from "./ja";
import { nl } from "./nl";
import { pl } from "./pl";
import { pt } from "./pt";
import { ru } from "./ru";
import { tr } from "./tr";
import { uk } from "./uk";
import type { Words } from "./words";
import { zh } from "./zh";

/** By code. */
export const LANGUAGES: { readonly [code: string]: Words } = { ar, de, en, es, fr, he, it, ja, nl, pl, pt, ru, tr, uk, zh };
