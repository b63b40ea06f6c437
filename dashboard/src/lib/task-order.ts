import type { ListedTask } from "./api/dashboard";
import type { TaskFilter } from "./task-filter";
import { momentAt } from "./timezones";

/** The order of lists, as the server has it (storage/tasks/listing.py): where a changed task belongs. */

type Sort = TaskFilter["sort"];

const RANK = { low: 1, medium: 2, high: 3, urgent: 4 };

/** A copy of the list with these tasks at their places; earlier entries of them are replaced. */
export function withTasks(list: ListedTask[], tasks: ListedTask[], sort: Sort, zone: string): ListedTask[] {
  const ids = new Set(tasks.map(({ id }) => id));
  const placed = list.filter(({ id }) => !ids.has(id));
  for (const task of tasks) {
    let low = 0;
    let high = placed.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (compare(placed[middle] as ListedTask, task, sort, zone) < 0) low = middle + 1;
      else high = middle;
    }
    placed.splice(low, 0, task);
  }
  return placed;
}

function compare(one: ListedTask, other: ListedTask, sort: Sort, zone: string): number {
  if (sort === "due") return dueAt(one, zone) - dueAt(other, zone) || one.id - other.id;
  return keyOf(other, sort) - keyOf(one, sort) || other.id - one.id;
}

function keyOf(task: ListedTask, sort: Exclude<Sort, "due">): number {
  if (sort === "priority") return RANK[task.priority];
  return Date.parse(sort === "created" ? task.created_at : task.updated_at);
}

/** A date counts from the beginning of its day; a task without a date comes last. */
function dueAt({ due }: ListedTask, zone: string): number {
  if (!due) return Number.MAX_SAFE_INTEGER;
  return Date.parse(due.length === 10 ? momentAt(zone, due, "00:00") : due);
}
