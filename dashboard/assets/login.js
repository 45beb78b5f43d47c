// Where looking needs the login: once a session is over, go and log in again, and come back.
(() => {
    const ask = window.fetch.bind(window);
    window.fetch = async (...request) => {
        const answer = await ask(...request);
        if (answer.status === 401) {
            const here = window.location.pathname + window.location.search;
            window.location.assign(`/login?next=${encodeURIComponent(here)}`);
        }
        return answer;
    };
})();
