<h1>Home</h1>
<@s.a id="%{#parameters.id}" href="/">home</@s.a>
