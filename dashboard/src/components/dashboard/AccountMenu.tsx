"use client";

import { Menu } from "@base-ui/react/menu";
import { Check, LogOut } from "lucide-react";
import { useTheme } from "next-themes";
import { signOut } from "@/lib/actions";
import { menuItem, menuPopup } from "../menu";

const THEMES = [
  ["system", "As the system"],
  ["light", "Light"],
  ["dark", "Dark"],
];
export function AccountMenu({ name, email }: { name: string; email: string }) {
  const { theme, setTheme } = useTheme();
  return (
    <Menu.Root modal={false}>
      <Menu.Trigger
        aria-label="Account and appearance"
        className="grid size-8 place-items-center rounded-full bg-accent-soft text-[13px] font-semibold text-accent uppercase transition hover:brightness-95 dark:hover:brightness-125"
      >
        {[...(name || email)][0]}
      </Menu.Trigger>
      <Menu.Portal>
        <Menu.Positioner sideOffset={8} align="end" className="z-30">
          <Menu.Popup className={menuPopup}>
            <div className="px-2.5 pt-1.5 pb-2.5">
              <div className="truncate text-sm font-medium">{name}</div>
              <div className="truncate text-[13px] text-muted">{email}</div>
            </div>
            <div className="-mx-1.5 h-px bg-line" />
            <Menu.RadioGroup value={theme} onValueChange={setTheme} className="py-1.5">
              <Menu.GroupLabel className="px-2.5 py-1.5 text-xs text-muted">Appearance</Menu.GroupLabel>
              {THEMES.map(([value, label]) => (
                <Menu.RadioItem key={value} value={value} closeOnClick={false} className={menuItem}>
                  {label}
                  <Menu.RadioItemIndicator className="ml-auto">
                    <Check className="size-4 text-accent" aria-hidden="true" />
                  </Menu.RadioItemIndicator>
                </Menu.RadioItem>
              ))}
            </Menu.RadioGroup>
            <div className="-mx-1.5 mb-1.5 h-px bg-line" />
            <Menu.Item className={menuItem} onClick={() => void signOut()}>
              <LogOut className="size-4 text-muted" aria-hidden="true" />
              Sign out
            </Menu.Item>
          </Menu.Popup>
        </Menu.Positioner>
      </Menu.Portal>
    </Menu.Root>
  );
}
