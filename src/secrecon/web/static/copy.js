// The copy button beside a new API key. Without the clipboard the key can still be selected with one click.

const button = document.querySelector("[data-copy]");
const status = document.querySelector("[data-copy-status]");
const source = button && document.getElementById(button.dataset.copy);
if (button && source && navigator.clipboard) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(source.textContent.trim());
      status.textContent = "Copied.";
    } catch {
      status.textContent = "The browser did not allow copying. Select the key and copy it by hand.";
    }
  });
}
