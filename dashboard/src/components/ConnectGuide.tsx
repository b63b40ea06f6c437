"use client";

import { Tabs } from "@base-ui/react/tabs";
import { CopyBlock } from "./CopyBlock";

interface Guide {
  name: string;
  instruction: string;
  text: string;
}

function guidesFor(url: string): Guide[] {
  const server = (entry: object) => JSON.stringify(entry, null, 2);
  return [
    {
      name: "Claude Code",
      instruction: "Run this in a terminal, then type /mcp in Claude Code and choose taskdeck to sign in.",
      text: `claude mcp add --transport http taskdeck ${url}`,
    },
    {
      name: "Claude and ChatGPT",
      instruction:
        "In the settings, open Connectors, add a custom connector and paste this address. It must be one that the internet can reach over https.",
      text: url,
    },
    {
      name: "Cursor",
      instruction: "Put this in .cursor/mcp.json; Cursor then shows a button to sign in.",
      text: server({ mcpServers: { taskdeck: { url } } }),
    },
    {
      name: "VS Code",
      instruction: "Put this in .vscode/mcp.json, then choose Start above it.",
      text: server({ servers: { taskdeck: { type: "http", url } } }),
    },
    {
      name: "Anything else",
      instruction:
        "Give any MCP client this address. One that cannot open a browser takes a token from the page Tokens as well.",
      text: url,
    },
  ];
}

/** How to connect an AI client. `waiting` adds what to say first; it is for people without tasks. */
export function ConnectGuide(props: { mcpUrl: string; headingId: string; waiting?: boolean }) {
  const guides = guidesFor(props.mcpUrl);
  return (
    <div className="px-5 py-7 sm:px-10 sm:py-10">
      <h2 id={props.headingId} className="text-xl font-semibold tracking-tight">
        Connect an AI client
      </h2>
      <p className="mt-2 max-w-xl text-[15px] leading-relaxed text-muted">
        Your tasks live here; you work with them by talking to your assistant. Connect one, and approve it in
        the browser when it asks.
      </p>
      <Tabs.Root defaultValue={guides[0]?.name} className="mt-6">
        <Tabs.List aria-label="Client" className="flex gap-5 overflow-x-auto border-b border-line">
          {guides.map(({ name }) => (
            <Tabs.Tab
              key={name}
              value={name}
              className="-mb-px border-b-2 border-transparent pb-2.5 text-sm font-medium whitespace-nowrap text-muted hover:text-ink data-active:border-ink data-active:text-ink"
            >
              {name}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        {guides.map(({ name, instruction, text }) => (
          <Tabs.Panel key={name} value={name} className="min-h-28 pt-5">
            <p className="mb-3 max-w-2xl text-sm leading-relaxed">{instruction}</p>
            <CopyBlock label={`the text for ${name}`} text={text} />
          </Tabs.Panel>
        ))}
      </Tabs.Root>
      {props.waiting && (
        <div className="mt-2 border-t border-line pt-6 text-sm leading-relaxed">
          <p>
            Then say, for example:{" "}
            <q className="font-medium">Add ‘water the plants’ to my tasks for tomorrow.</q>
          </p>
          <p className="mt-1 text-muted">The task appears here by itself, within a second.</p>
        </div>
      )}
    </div>
  );
}
