// Cells of the table of jobs: a curve as small as a word, and buttons that say to the server what is wanted.

window.dashAgGridComponentFunctions = Object.assign(window.dashAgGridComponentFunctions || {}, {
    FrontierSparkline: (props) => {
        const words = props.data[props.colDef.field + "_text"];
        if (!props.value) {
            return React.createElement("span", { className: "sparkline-words" }, words);
        }
        return React.createElement(
            "svg",
            { className: "sparkline", viewBox: "0 0 100 24", width: 100, height: 24, role: "img", "aria-label": words },
            React.createElement("title", null, words),
            React.createElement("path", { d: props.value })
        );
    },

    FrontierActions: (props) =>
        React.createElement(
            "span",
            { className: "cell-actions" },
            (props.value || "").split(" ").filter(Boolean).map((action) => {
                const label = action[0].toUpperCase() + action.slice(1);
                return React.createElement(
                    "button",
                    {
                        key: action,
                        type: "button",
                        className: "cell-action cell-action-" + action,
                        "aria-label": label + " " + props.data.name,
                        onClick: () => props.setData({ action: action, job: props.data.id }),
                    },
                    label
                );
            })
        ),
});

// Within a cell of buttons the keyboard works as in a toolbar: Enter goes in, the arrows go from one to the next.
document.addEventListener(
    "keydown",
    (event) => {
        const at = document.activeElement;
        const cell = at && at.closest(".ag-cell");
        const buttons = cell ? [...cell.querySelectorAll(".cell-action")] : [];
        if (!buttons.length) {
            return;
        }
        const place = buttons.indexOf(at);
        const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
        if (at === cell && event.key === "Enter") {
            buttons[0].focus();
            event.preventDefault();
        } else if (place >= 0 && event.key === "Escape") {
            cell.focus();
        } else if (place >= 0 && step) {
            buttons[Math.min(Math.max(place + step, 0), buttons.length - 1)].focus();
        } else if (place < 0 || !["Enter", " "].includes(event.key)) {
            return;
        }
        event.stopPropagation();
    },
    true
);
