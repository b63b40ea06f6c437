"use client";

export default function GlobalError() {
  return (
    <html lang="en">
      <body>
        <main>
          <h1>Taskdeck could not be shown</h1>
          <p>Something went wrong on the server. Reload the page in a moment.</p>
        </main>
      </body>
    </html>
  );
}
