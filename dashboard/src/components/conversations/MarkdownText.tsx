import type { Definition, Nodes, Parents, Root } from "mdast";
import { Fragment, memo, type ReactNode } from "react";
import { parseMarkdown } from "@/lib/markdown";

type Definitions = Map<string, Definition>;

/**
 * The Markdown of a message as elements: HTML stays text, a picture becomes a link, because its site would learn from it
 * who reads this and when, and links tell nothing about where they were followed.
 */
export const MarkdownText = memo(function MarkdownText({ text }: { text: string }) {
  const tree = parseMarkdown(text);
  if (!tree) return <PlainText text={text} />;
  return (
    <div className="markdown text-[15px] leading-7 wrap-anywhere" data-testid="content">
      <Children of={tree} known={definitionsOf(tree)} />
    </div>
  );
});

/** Text as it was written. */
export function PlainText({ text }: { text: string }) {
  return (
    <pre
      dir="auto"
      className="font-mono text-[13px] leading-6 wrap-anywhere whitespace-pre-wrap"
      data-testid="content"
    >
      {text}
    </pre>
  );
}

function Children({ of, known }: { of: Parents; known: Definitions }) {
  return of.children.map((node, place) => <Fragment key={place}>{elementOf(node, known)}</Fragment>);
}

function elementOf(node: Nodes, known: Definitions): ReactNode {
  switch (node.type) {
    case "text":
    case "html":
      return node.value;
    case "break":
      return <br />;
    case "thematicBreak":
      return <hr />;
    case "inlineCode":
      return <code>{node.value}</code>;
    case "code":
      return (
        <pre>
          <code>{node.value}</code>
        </pre>
      );
    case "image":
      return <Outside href={node.url}>{node.alt || "picture"}</Outside>;
    case "imageReference":
      return <Outside href={known.get(node.identifier)?.url}>{node.alt || "picture"}</Outside>;
    case "footnoteReference":
      return `[^${node.identifier}]`;
    case "definition":
    case "yaml":
      return null;
    default:
      return parentOf(node, <Children of={node} known={known} />, known);
  }
}

function parentOf(node: Parents, children: ReactNode, known: Definitions): ReactNode {
  switch (node.type) {
    case "paragraph":
      return <p>{children}</p>;
    case "heading":
      return <h3>{children}</h3>;
    case "strong":
      return <strong>{children}</strong>;
    case "emphasis":
      return <em>{children}</em>;
    case "delete":
      return <del>{children}</del>;
    case "blockquote":
      return <blockquote>{children}</blockquote>;
    case "link":
      return <Outside href={node.url}>{children}</Outside>;
    case "linkReference":
      return <Outside href={known.get(node.identifier)?.url}>{children}</Outside>;
    case "list":
      return node.ordered ? <ol start={node.start ?? 1}>{children}</ol> : <ul>{children}</ul>;
    case "listItem":
      return (
        <li>
          {typeof node.checked === "boolean" && <Tick done={node.checked} />}
          {children}
        </li>
      );
    case "table":
      return (
        <div tabIndex={0} role="region" aria-label="Table" className="overflow-x-auto">
          <table>
            <tbody>{children}</tbody>
          </table>
        </div>
      );
    case "tableRow":
      return <tr>{children}</tr>;
    case "tableCell":
      return <td>{children}</td>;
    case "footnoteDefinition":
      return (
        <div>
          [^{node.identifier}]: {children}
        </div>
      );
    default:
      return children;
  }
}

function Tick({ done }: { done: boolean }) {
  return (
    <>
      <span aria-hidden="true">{done ? "☑ " : "☐ "}</span>
      <span className="sr-only">{done ? "Done: " : "Open: "}</span>
    </>
  );
}

function Outside({ href, children }: { href?: string; children: ReactNode }) {
  if (!href || !/^(https?|mailto):/i.test(href)) return children;
  return (
    <a href={href} target="_blank" rel="noopener noreferrer nofollow ugc">
      {children}
    </a>
  );
}

/** The addresses that links name at another place of the text; of equal names the first counts. */
function definitionsOf(tree: Root): Definitions {
  const found: Definitions = new Map();
  for (const node of tree.children)
    if (node.type === "definition" && !found.has(node.identifier)) found.set(node.identifier, node);
  return found;
}
