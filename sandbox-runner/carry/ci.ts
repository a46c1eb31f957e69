/** Files that a forge runs by itself once they are pushed, with the rights of the repo: a person sees a change of them. */
const CI = new RegExp(
  `^(${[
    // The folders themselves too: a link in their place would be another way in.
    '\\.(github|gitea|forgejo)(/(workflows|actions)(/.*)?)?',
    '(.*/)?action\\.ya?ml',
    '\\.gitlab-ci\\.ya?ml',
    '\\.gitlab(/(ci|.*\\.ya?ml).*)?',
    '\\.(circleci|buildkite|woodpecker|semaphore|teamcity|tekton|azure-pipelines|drone|ci)(/.*)?',
    '\\.(travis|drone|woodpecker|appveyor|cirrus|codeship)[\\w-]*\\.(ya?ml|star)',
    '(.*/)?(azure-pipelines|bitbucket-pipelines|appveyor|buildspec|cloudbuild|codemagic|bitrise|wercker)[\\w.-]*\\.ya?ml',
    '(.*/)?Jenkinsfile[\\w.-]*',
  ].join('|')})$`,
  'i',
)

export const isCiFile = (path: string): boolean => CI.test(path)
