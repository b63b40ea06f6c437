import type { Root } from "mdast";
import { fromMarkdown } from "mdast-util-from-markdown";
import { gfmFromMarkdown } from "mdast-util-gfm";
import { gfm } from "micromark-extension-gfm";

/** The tree of a Markdown text (CommonMark with GitHub's extensions); undefined for one that takes too long to parse. */
export function parseMarkdown(text: string): Root | undefined {
  if (isCostly(text)) return undefined;
  return fromMarkdown(text, {
    extensions: [gfm({ singleTilde: false })],
    mdastExtensions: [gfmFromMarkdown()],
  });
}

/**
 * Parsing takes time that grows with the square of open markers (20,000 of them took 40 seconds), and deep nesting
 * exhausts the stack.
 */
function isCostly(text: string): boolean {
  return (
    text.length > 20_000 ||
    (text.match(/[*_~[]/g)?.length ?? 0) > 2_000 ||
    /^(?:[ \t]*[>*+-]){50}/m.test(text)
  );
}
