"""A Hugging Face hub of one process: what huggingface_hub asks of one, over real HTTP."""
import base64
import hashlib
import json
import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class _Handler(BaseHTTPRequestHandler):

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        # /user/name/resolve/revision/file, or /cdn/SHA-256
        parts = self.path.strip('/').split('/')
        if parts[0] == 'cdn':
            return self._answer(200, self.server.large[parts[1]], {'ETag': f'"{parts[1]}"'})
        name = '/'.join(parts[:2])
        commits, user = self.server.repos.get(name), self.headers.get('Authorization')
        if user == 'Bearer stale':
            said = 'Invalid credentials in Authorization header'
            return self._answer(401, b'', {'X-Error-Message': said})
        if self.server.private.get(name) not in (None, user):
            return self._answer(401, b'', {'X-Error-Code': 'RepoNotFound'})
        if name in self.server.gated:
            return self._answer(403, b'', {'X-Error-Code': 'GatedRepo'})
        if len(parts) != 5 or commits is None:
            return self._answer(404, b'', {'X-Error-Code': 'RepoNotFound'})
        commit = list(commits)[-1] if parts[3] == 'main' else parts[3]
        if commit not in commits:
            return self._answer(404, b'', {'X-Error-Code': 'RevisionNotFound'})
        content, known = commits[commit].get(parts[4]), {'X-Repo-Commit': commit}
        if content is None:
            return self._answer(404, b'', {'X-Error-Code': 'EntryNotFound', **known})
        if parts[4].endswith('.safetensors'):  # large files lie elsewhere
            digest = hashlib.sha256(content).hexdigest()
            self.server.large.setdefault(digest, content)
            return self._answer(302, b'', {
                **known, 'Location': f'{self.server.elsewhere}/cdn/{digest}',
                'X-Linked-ETag': f'"{digest}"', 'X-Linked-Size': str(len(content))})
        self._answer(200, content, {'ETag': f'"{hashlib.sha1(content).hexdigest()}"', **known})

    def do_PUT(self):
        content = self._body()
        digest = self.path.rpartition('/')[2]
        assert hashlib.sha256(content).hexdigest() == digest
        self.server.large[digest] = content
        self._answer(200, b'', {})

    def _body(self):
        return self.rfile.read(int(self.headers.get('Content-Length') or 0)) or self._chunks()

    def do_POST(self):
        body = self._body()
        if self.path == '/api/validate-yaml':
            said = re.search('^license: (.+)$', json.loads(body)['content'], re.M)
            if said and said[1] not in ('cc-by-4.0', 'other'):
                return self._json({'errors': [{'message': '"license" must be one of [...]'}]},
                                  400)
            return self._json({})
        if self.headers.get('Authorization') != 'Bearer writer':
            return self._answer(401, b'', {'X-Error-Message': 'Invalid username or password.'})
        if self.path == '/api/repos/create':
            asked = json.loads(body)
            name = f'{asked["organization"]}/{asked["name"]}'
            there = name in self.server.repos
            self.server.repos.setdefault(name, {})
            return self._json({'url': f'{self.server.address}/{name}'}, 409 if there else 200)
        if self.path.endswith('.git/info/lfs/objects/batch'):
            return self._json({'transfer': 'basic', 'objects': [
                {**each, 'actions': {'upload': {
                    'href': f'{self.server.address}/cdn/{each["oid"]}'}}}
                for each in json.loads(body)['objects']]})
        _, _, user, name, what, _ = self.path.strip('/').split('/')
        if what == 'preupload':
            return self._json({'files': [
                dict(path=file['path'], shouldIgnore=False, uploadMode='lfs' if file[
                    'path'].endswith('.safetensors') else 'regular')
                for file in json.loads(body)['files']]})
        lines = [json.loads(line) for line in body.splitlines()]
        files = {line['value']['path']: base64.b64decode(line['value']['content'])
                 for line in lines if line['key'] == 'file'}
        files.update({line['value']['path']: self.server.large[line['value']['oid']]
                      for line in lines if line['key'] == 'lfsFile'})
        commit = self.server.add(f'{user}/{name}', files)
        self._json({'commitOid': commit, 'success': True,
                    'commitUrl': f'{self.server.address}/{user}/{name}/commit/{commit}'})

    def _chunks(self):
        body = b''
        if self.headers.get('Transfer-Encoding') == 'chunked':
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
        return body

    def _json(self, content, status=200):
        self._answer(status, json.dumps(content).encode(),
                     {'Content-Type': 'application/json'})

    def _answer(self, status, content, headers):
        self.send_response(status)
        for name, value in {**headers, 'Content-Length': str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != 'HEAD':
            self.wfile.write(content)


class Hub(ThreadingHTTPServer):
    """Its ``repos`` are files by name, by commit, by 'user/name'.

    ``private`` says of some which Authorization sees them, ``gated`` names those that nobody
    may have, and ``large`` holds large files by their SHA-256, as they lie on other servers.
    """
    daemon_threads = True

    def __init__(self):
        super().__init__(('127.0.0.1', 0), _Handler)
        self.address = f'http://127.0.0.1:{self.server_address[1]}'
        self.elsewhere = self.address.replace('127.0.0.1', 'localhost')  # to who asks
        self.repos, self.private, self.gated, self.large = {}, {}, set(), {}

    def add(self, name, files):
        """One more commit of a repository; returns its name."""
        commits = self.repos.setdefault(name, {})
        commit = hashlib.sha1(f'{name}{len(commits)}'.encode()).hexdigest()
        commits[commit] = {**(list(commits.values())[-1] if commits else {}), **files}
        return commit


@contextmanager
def running_hub():
    with Hub() as hub:
        threading.Thread(target=hub.serve_forever, daemon=True).start()
        yield hub
        hub.shutdown()
